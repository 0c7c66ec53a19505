//! Instructions in order, with labels instead of offsets.
//!
//! Jumps are written with the label they go to. [`Assembler::finish`] computes the offsets;
//! where 16 bits do not suffice it widens the jump: `goto` becomes `gotol`, and a condition jumps around one:
//!
//! ```text
//! if r1 == 0 goto far        if r1 == 0 goto +1
//!                            goto +1
//!                            gotol far
//! ```
//!
//! Widening one jump can push another out of range, so it is repeated until nothing changes; jumps only ever grow,
//! so it ends.

use crate::Insn;

/// A place in the code that jumps can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(usize);

/// Why code could not be assembled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AssembleError {
    /// A jump goes to a label that was never bound.
    UnboundLabel(Label),
    /// A jump is longer than 2^15 slots and the target has no `gotol`.
    JumpTooLong {
        /// The jump: its index among the instructions pushed.
        at: usize,
    },
}

/// Code under construction.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    insns: Vec<Insn>,
    /// Jumps, in order: where they stand in `insns` and where they go.
    jumps: Vec<(usize, Label)>,
    /// Where each label stands: before the instruction with this index.
    labels: Vec<Option<usize>>,
}

impl Assembler {
    /// No code yet.
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// A new label, to be bound later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Puts the label before the next instruction. Of several times the last counts.
    pub fn bind(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(self.insns.len());
        }
    }

    /// Appends an instruction that is no jump to a label.
    pub fn push(&mut self, insn: Insn) {
        self.insns.push(insn);
    }

    /// Appends a 64-bit load.
    pub fn push_wide(&mut self, insns: [Insn; 2]) {
        self.insns.extend(insns);
    }

    /// Appends a jump, conditional or not, whose offset is the label's place.
    pub fn jump(&mut self, insn: Insn, to: Label) {
        self.jumps.push((self.insns.len(), to));
        self.insns.push(insn);
    }

    /// The number of slots so far, before any widening.
    pub fn len(&self) -> usize {
        self.insns.len()
    }

    /// Whether there is no code yet.
    pub fn is_empty(&self) -> bool {
        self.insns.is_empty()
    }

    /// The code, and for each index of an instruction pushed where it stands now (one more: the end).
    ///
    /// `long_jumps` says whether the target has `gotol` (version 4 of the instruction set).
    ///
    /// # Errors
    /// A label without a place, or a jump too long for the target.
    pub fn finish(self, long_jumps: bool) -> Result<(Vec<Insn>, Vec<u32>), AssembleError> {
        let mut targets = Vec::with_capacity(self.jumps.len());
        for (at, label) in &self.jumps {
            let place = self.labels.get(label.0).copied().flatten();
            targets.push((*at, place.ok_or(AssembleError::UnboundLabel(*label))?));
        }
        let mut widened = vec![false; targets.len()];
        let places = loop {
            let places = self.places(&targets, &widened);
            let mut changed = false;
            for (wide, (at, target)) in widened.iter_mut().zip(&targets) {
                if !*wide && i16::try_from(distance(&places, *at, *target)).is_err() {
                    if !long_jumps {
                        return Err(AssembleError::JumpTooLong { at: *at });
                    }
                    (*wide, changed) = (true, true);
                }
            }
            if !changed {
                break places;
            }
        };
        let mut code = Vec::with_capacity(places.last().map_or(0, |end| *end as usize));
        let mut jumps = targets.iter().zip(&widened).peekable();
        for (at, insn) in self.insns.iter().enumerate() {
            let Some(((_, target), wide)) = jumps.next_if(|((jump, _), _)| *jump == at) else {
                code.push(*insn);
                continue;
            };
            let distance = distance(&places, at, *target);
            match (wide, insn.code == Insn::GOTO) {
                (false, _) => code.push(Insn { off: distance as i16, ..*insn }),
                (true, true) => code.push(Insn::goto_long(distance)),
                // The distance counts from the first of three slots, the long jump is the last.
                (true, false) => {
                    code.extend([Insn { off: 1, ..*insn }, Insn::goto(1), Insn::goto_long(distance - 2)])
                }
            }
        }
        Ok((code, places))
    }

    /// Where each instruction, and the end, would stand.
    fn places(&self, targets: &[(usize, usize)], widened: &[bool]) -> Vec<u32> {
        let mut places = Vec::with_capacity(self.insns.len() + 1);
        let mut jumps = targets.iter().zip(widened).peekable();
        let mut place = 0;
        for (at, insn) in self.insns.iter().enumerate() {
            places.push(place);
            let jump = jumps.next_if(|((jump, _), _)| *jump == at);
            place += match jump {
                Some((_, true)) if insn.code != Insn::GOTO => 3,
                _ => 1,
            };
        }
        places.push(place);
        places
    }
}

/// Slots from behind the (unwidened) jump to its target.
fn distance(places: &[u32], at: usize, target: usize) -> i32 {
    let place = |index: usize| places.get(index).map_or(0, |p| *p as i32);
    place(target) - place(at) - 1
}
