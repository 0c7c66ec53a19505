//! Dominators: the blocks through which every way to a block goes.

use crate::bits::Bits;
use crate::ir::Function;

/// For each block its immediate dominator; the entry's, and that of blocks that cannot be reached, is 0.
///
/// After Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm".
pub(super) struct Dominators {
    parents: Vec<usize>,
    /// Position of each block in reverse postorder.
    positions: Vec<usize>,
}

impl Dominators {
    /// Computes them.
    pub(super) fn of(function: &Function) -> Dominators {
        let order = reverse_postorder(function);
        let mut positions = vec![usize::MAX; function.blocks.len()];
        for (position, block) in order.iter().enumerate() {
            positions[*block] = position;
        }
        let mut predecessors: Vec<Vec<usize>> = vec![Vec::new(); function.blocks.len()];
        for block in &order {
            for next in function.blocks[*block].end.successors() {
                predecessors[next.0 as usize].push(*block);
            }
        }
        let mut dominators = Dominators { parents: vec![usize::MAX; function.blocks.len()], positions };
        dominators.parents[0] = 0;
        loop {
            let mut changed = false;
            for block in order.iter().skip(1) {
                let known =
                    predecessors[*block].iter().copied().filter(|p| dominators.parents[*p] != usize::MAX);
                let parent = known.reduce(|a, b| dominators.common(a, b)).unwrap_or(0);
                changed |= dominators.parents[*block] != parent;
                dominators.parents[*block] = parent;
            }
            if !changed {
                break;
            }
        }
        for parent in dominators.parents.iter_mut().filter(|p| **p == usize::MAX) {
            *parent = 0;
        }
        dominators
    }

    /// The nearest block that dominates both.
    pub(super) fn common(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            if self.positions[a] > self.positions[b] {
                a = self.parents[a];
            } else {
                b = self.parents[b];
            }
        }
        a
    }

    /// The immediate dominator.
    pub(super) fn parent(&self, block: usize) -> usize {
        self.parents[block]
    }

    /// Whether `a` is `b` or dominates it; false where `b` cannot be reached.
    pub(super) fn dominates(&self, a: usize, mut b: usize) -> bool {
        if self.positions[b] == usize::MAX {
            return false;
        }
        while self.positions[b] > self.positions[a] {
            b = self.parents[b];
        }
        a == b
    }
}

/// The blocks that can be reached, each before its successors but for backward jumps.
pub(super) fn reverse_postorder(function: &Function) -> Vec<usize> {
    let mut order = Vec::with_capacity(function.blocks.len());
    let mut seen = Bits::new(function.blocks.len());
    seen.insert(0);
    // What is visited last stands first: the way that `then` goes follows its branch.
    let successors = |block: usize| {
        let mut next = function.blocks[block].end.successors();
        let (first, second) = (next.next(), next.next());
        [first, second]
    };
    let mut stack = vec![(0, successors(0))];
    while let Some((block, left)) = stack.last_mut() {
        match left[1].take().or_else(|| left[0].take()) {
            Some(next) if !seen.contains(next.0 as usize) => {
                let next = next.0 as usize;
                seen.insert(next);
                stack.push((next, successors(next)));
            }
            Some(_) => {}
            None => {
                order.push(*block);
                stack.pop();
            }
        }
    }
    order.reverse();
    order
}
