//! Every place where users put probes, in a crate that allows nothing. Compiled in every edition that has async functions.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unused, future_incompatible, nonstandard_style)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A type of the user's own.
pub struct Id(u64);

impl stapes::Argument for Id {
    type Value = u64;
    fn value(&self) -> u64 {
        self.0
    }
}

/// Text of the user's own.
pub struct Name(String);

impl stapes::Argument for Name {
    type Value = stapes::Text;
    fn value(&self) -> stapes::Text {
        self.0.as_str().into()
    }
}

/// Names that the macros use inside themselves must not be taken for the user's.
fn fire(a: u32) -> u32 {
    let (array, b, room, value) = (a, a, a, a);
    stapes::probe!(usage, shadow, array, b, room, value, fire_twice(a));
    stapes::probe!(usage, shadow_many, array, b, room, value, a, array, b, room, fire_twice(a));
    a
}

fn fire_twice(a: u32) -> u32 {
    fn slots(a: u32) -> u32 {
        a * 2
    }
    slots(a)
}

fn generic<T: stapes::Argument, const N: usize>(value: &T, bytes: [u8; N]) {
    stapes::probe!(usage, generic, value, bytes);
}

#[inline(always)]
fn inlined(n: i64) {
    stapes::probe_lazy!(usage, inlined, n);
}

fn references(a: &u32, b: &mut i8, c: &&str, id: &Id, name: &Name, pointer: *mut Id) {
    stapes::probe!(usage, references, a, b, c, id, name, pointer);
    stapes::probe!(usage, optional, Some(a), Some(name), None::<&str>, Some(pointer), std::num::NonZeroU8::new(1));
}

/// Temporaries live until the probe has fired.
fn temporaries(n: u32) {
    stapes::probe!(usage, temporaries, n.to_string().as_str(), format!("{}!", n).as_bytes());
    stapes::probe_lazy!(usage, temporaries_lazy, text = n.to_string().as_str());
}

/// Arguments may leave the function.
fn leaving(n: Option<u32>) -> Option<u32> {
    stapes::probe!(usage, leaving, n?, if n == Some(2) { return Some(0) } else { 1_u8 });
    stapes::probe_lazy!(usage, leaving_lazy, if n.is_some() { return None } else { 2_u8 });
    let closure = |left: bool| -> u32 {
        stapes::probe!(usage, closure, if left { return 7 } else { 8_u8 });
        9
    };
    assert_eq!((closure(true), closure(false)), (7, 9));
    n
}

struct Ready(u32);

impl Future for Ready {
    type Output = u32;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        Poll::Ready(self.0)
    }
}

fn statements(flag: bool) {
    if flag {
        stapes::probe!(usage, statement)
    }
    match flag {
        true => stapes::probe_lazy!(usage, arm, 1_u8),
        false => stapes::probe!(usage, other_arm,),
    }
    let enabled: bool = stapes::enabled!(usage, statement);
    while stapes::enabled!(usage, nobody) && enabled {}
    for i in 0..2 {
        stapes::probe!(usage, loops, if i == 1 { break } else { i });
    }
}

#[repr(C, packed)]
struct Packed {
    a: u8,
    b: u32,
}

fn main() {
    fire(1);
    generic(&1.5_f32, [1, 2, 3]);
    generic(&"text", []);
    generic(&Id(2), [1]);
    inlined(3);
    let (id, name) = (Id(1), Name("n".to_owned()));
    references(&1, &mut 2, &"c", &id, &name, std::ptr::null_mut());
    temporaries(5);
    assert_eq!(leaving(Some(2)), Some(0));
    assert_eq!(leaving(Some(3)), Some(3));
    assert_eq!(leaving(None), None);
    statements(true);
    let packed = Packed { a: 1, b: 2 };
    stapes::probe!(usage, packed, packed.a, packed.b);
    let moved = Id(9);
    stapes::probe!(usage, moved, moved);
    let ready = Ready(4);
    assert_eq!(run(ready), 4);
}

/// An async function, polled once.
fn run(ready: Ready) -> u32 {
    async fn inner(ready: Ready) -> u32 {
        let text = String::from("kept over the await");
        let n = ready.await;
        stapes::probe!(usage, async_fn, n, text.as_str(), Ready(n).await);
        stapes::probe_lazy!(usage, async_fn_lazy, Ready(n).await);
        n
    }
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let mut future = Box::pin(is_send(inner(ready)));
    match future.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(n) => n,
        Poll::Pending => 0,
    }
}
