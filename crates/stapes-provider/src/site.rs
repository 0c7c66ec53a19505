//! Calling a probe's site: a function of a nop and a return, with the arguments where its note says they are.

use crate::args::MAX_WORDS;

/// The address of a site's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site(pub(crate) *const u8);

macro_rules! call_with {
    ($site:expr, $words:expr, $($i:literal)*) => {{
        type Function = unsafe extern "C" fn($(call_with!(@word $i)),*);
        // SAFETY: the caller of `call` promises a function of an image at this address. It takes any number of
        // words, since it looks at none: in the C calling conventions of both architectures the caller cleans up.
        unsafe {
            let function: Function = std::mem::transmute::<*const u8, Function>($site.0);
            function($($words[$i]),*)
        }
    }};
    (@word $i:literal) => { u64 };
}

impl Site {
    /// Calls the site with the first `count` of the words, and perhaps some more.
    ///
    /// # Safety
    /// The address must be that of a function of an image that stays mapped during the call.
    pub(crate) unsafe fn call(self, words: &[u64; MAX_WORDS], count: usize) {
        match count {
            0 => call_with!(self, words,),
            1..=6 => call_with!(self, words, 0 1 2 3 4 5),
            7..=12 => call_with!(self, words, 0 1 2 3 4 5 6 7 8 9 10 11),
            _ => {
                call_with!(self, words, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
            }
        }
    }
}
