//! The library half of the matrix program: functions with probes, of which one is never called.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};

#[inline(never)]
pub fn integers(a: i8, b: u16, c: i32, d: u64) {
    stapes::probe!(matrix, integers, a, b, c, d);
}

#[inline(never)]
pub fn floats(a: f32, b: f64, c: bool, d: char) {
    stapes::probe_lazy!(matrix, floats, a, b, c, d);
}

#[inline(never)]
pub fn texts(text: &str, bytes: &[u8], c_text: &CStr) {
    stapes::probe!(matrix, texts, text, bytes, c_text);
}

#[inline(never)]
pub fn options(there: Option<u32>, gone: Option<i64>, text: Option<&str>) {
    stapes::probe_lazy!(matrix, options, there, gone, text);
}

#[inline(never)]
pub fn many(n: u64) {
    stapes::probe_lazy!(
        matrix,
        many,
        n,
        n as i32 - 100,
        n + 2,
        n as u8 + 3,
        n + 4,
        -(n as i64) - 5,
        n + 6,
        n + 7,
        n + 8,
        n as u16 + 9,
        n + 10,
        n + 11
    );
}

/// Each caller has a site of its own.
#[inline(always)]
pub fn shared(n: u32) {
    stapes::probe!(matrix, shared, n);
}

/// A generic function, with one site per type.
pub fn generic<T: stapes::Argument + Copy>(value: T) {
    stapes::probe!(matrix, generic, value);
}

/// Nobody calls this: its note must go with it.
#[inline(never)]
pub fn dead(n: u32) {
    stapes::probe!(matrix, dead, n);
    stapes::probe!(matrix, shared, n);
}

/// Whether somebody listens to all probes.
pub fn all_enabled() -> bool {
    stapes::enabled!(matrix, integers)
        && stapes::enabled!(matrix, floats)
        && stapes::enabled!(matrix, texts)
        && stapes::enabled!(matrix, options)
        && stapes::enabled!(matrix, many)
        && stapes::enabled!(matrix, shared)
        && stapes::enabled!(matrix, generic)
        && stapes::enabled!(matrix, last)
}

/// Fires each site once.
#[inline(never)]
pub fn fire() {
    use std::hint::black_box;
    integers(black_box(-5), black_box(65_535), black_box(-70_000), black_box(1 << 40));
    floats(black_box(1.5), black_box(-0.25), black_box(true), black_box('ß'));
    // On the heap: not every tracer faults pages of the file in.
    let (text, bytes, c_text) = (String::from("zwölf"), vec![1, 2, 3], CString::from(c"c text"));
    texts(black_box(&text), black_box(&bytes), black_box(&c_text));
    options(black_box(Some(7)), black_box(None), black_box(Some(&String::from("maybe"))));
    many(black_box(20));
    shared(black_box(1));
    shared(black_box(2));
    generic(black_box(3_u8));
    generic(black_box(-4_i64));
    stapes::probe!(matrix, last);
}
