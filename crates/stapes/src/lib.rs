//! Static USDT probes: each costs one nop until somebody listens, carries typed arguments,
//! and is understood by stapes, bpftrace, bcc, perf, gdb and SystemTap.
//!
//! ```
//! # let (key_len, shard) = (3_usize, 1_u32);
//! # fn expensive() -> u64 { 5 }
//! stapes::probe!(myapp, cache_hit, key_len, shard);     // one nop; the arguments are evaluated always
//! stapes::probe_lazy!(myapp, big, expensive());         // arguments evaluated only while somebody listens
//! if stapes::enabled!(myapp, big) {                     // the same question, asked aloud
//!     // …
//! }
//! ```
//!
//! On Linux and Android on x86-64 and aarch64 this makes probes.
//! Elsewhere the same code compiles to nothing and is type-checked all the same.
//!
//! The modules: [`Argument`] says what can be passed; `site` writes a site's code and notes;
//! `ad_hoc` has the macros above.

#![no_std]
#![warn(unsafe_op_in_unsafe_fn)]

mod ad_hoc;
mod argument;
mod arguments;
mod provider;
mod site;

#[doc(hidden)]
pub mod meaning;
#[doc(hidden)]
pub mod room;

#[cfg(feature = "macros")]
mod macros;

#[cfg(feature = "macros")]
pub use macros::{include_provider, instrument, provider};

pub use argument::{Argument, Bytes, CText, Slot, Text, Value};

/// What the macros call. Not for others: it changes without notice.
#[doc(hidden)]
pub mod private {
    pub use core::marker::PhantomData;

    pub use crate::arguments::*;
    pub use crate::provider::{Key, Named};

    /// Tells the compiler that a branch is seldom taken.
    #[cold]
    #[inline(always)]
    pub fn cold() {}

    /// Calls a function with a value when it is dropped, if there is a value: fires the return probe of an instrumented function.
    pub struct Left<T, F: FnMut(&T)> {
        start: Option<T>,
        fire: F,
    }

    impl<T, F: FnMut(&T)> Left<T, F> {
        /// Keeps both.
        #[inline(always)]
        pub fn new(start: Option<T>, fire: F) -> Left<T, F> {
            Left { start, fire }
        }
    }

    impl<T, F: FnMut(&T)> Drop for Left<T, F> {
        #[inline(always)]
        fn drop(&mut self) {
            if let Some(start) = &self.start {
                (self.fire)(start);
            }
        }
    }

    /// Refuses what cannot be a provider or a name: tracers write `provider:name`, the assembler needs plain characters,
    /// and the dot separates both in the semaphore's symbol.
    pub const fn check_name(name: &str) {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "a provider or probe needs a name");
        let mut i = 0;
        while i < bytes.len() {
            assert!(
                bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'_' | b'-') || bytes[i] >= 0x80,
                "the names of providers and probes consist of letters, digits, `_` and `-`"
            );
            i += 1;
        }
    }
}
