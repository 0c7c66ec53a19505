//! Probes declared in a DTrace provider file.
//!
//! Listen: `stapes -c 'target/debug/d_file 3' -e 'usdt::store:order__received { printf("%d %s\n", arg0, str(arg1)) }'`

#![forbid(unsafe_code)]

use std::ffi::CString;

stapes::include_provider!("store.d");

fn main() {
    for order in stapes_examples::orders() {
        let item = CString::new(order.item).unwrap_or_default();
        store::order__received!(order.id, item.as_ptr(), order.pieces as i32);
        store::order__shipped!(order.id, order.price);
    }
}
