//! A program with probes of ours and of SystemTap's header.

unsafe extern "C" {
    safe fn from_c(n: i32);
}

fn main() {
    stapes::probe!(from_rust, hello, 1_i32);
    from_c(2);
}
