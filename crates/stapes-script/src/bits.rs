//! A set of small numbers as a row of bits.

/// A set of numbers below a limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Clone for Bits {
    fn clone(&self) -> Bits {
        Bits(self.0.clone())
    }

    /// Keeps the memory: the searches that use these sets copy one into another all the time.
    fn clone_from(&mut self, other: &Bits) {
        self.0.clone_from(&other.0);
    }
}

impl Bits {
    /// The empty set of numbers below `limit`.
    pub(crate) fn new(limit: usize) -> Bits {
        Bits(vec![0; limit.div_ceil(64)])
    }

    /// Takes everything out.
    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds a number; one that is not below the limit is ignored.
    pub(crate) fn insert(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    /// Whether the number is in it.
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds all of `other`; whether anything was new.
    pub(crate) fn union(&mut self, other: &Bits) -> bool {
        let mut changed = false;
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            changed |= more & !*word != 0;
            *word |= more;
        }
        changed
    }

    /// Keeps only what is in `other` too; whether anything went.
    pub(crate) fn intersect(&mut self, other: &Bits) -> bool {
        let mut changed = false;
        for (word, keep) in self.0.iter_mut().zip(&other.0) {
            changed |= *word & !keep != 0;
            *word &= keep;
        }
        changed
    }

    /// Takes out all of `other`.
    pub(crate) fn subtract(&mut self, other: &Bits) {
        for (word, less) in self.0.iter_mut().zip(&other.0) {
            *word &= !less;
        }
    }

    /// The numbers in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                (left != 0).then(|| {
                    left &= left - 1;
                    index * 64 + bit as usize
                })
            })
        })
    }
}
