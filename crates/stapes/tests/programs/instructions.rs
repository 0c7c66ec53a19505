//! Functions to disassemble.

#![deny(unsafe_op_in_unsafe_fn)]

macro_rules! function {
    ($name:ident, |$a:ident, $b:ident, $c:ident, $d:ident| $probe:expr) => {
        mod $name {
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub extern "C" fn $name($a: u64, $b: i64, $c: usize, $d: u64) -> u64 {
                $probe;
                $a + 7
            }
        }
    };
}

function!(without, |a, _b, _c, _d| ());
function!(lazy, |a, b, c, d| stapes::probe_lazy!(instructions, lazy, a, b, c, d));
function!(guarded, |a, b, c, d| if stapes::enabled!(instructions, guarded) {
    stapes::probe!(instructions, guarded, a, b, c, d);
});
function!(eager, |a, b, c, d| stapes::probe!(instructions, eager, a, b, c, d));
