//! Typed probes, declared in one place: see the module `probes` of this package's library.
//!
//! Listen: `stapes -c 'target/debug/provider 3' -e 'usdt::shop:order_received { printf("%d %s\n", arg0, str(arg1, arg2)) }'`

#![forbid(unsafe_code)]

use stapes_examples::{Order, orders, probes};

#[stapes::instrument(provider = "shop", skip(order))]
fn ship(id: u64, order: &Order) -> bool {
    probes::order_shipped!(id, order.price, order.voucher.as_deref());
    order.price > 5.0
}

fn main() {
    for order in orders() {
        probes::order_received!(order.id, &order.item, order.pieces, &order);
        ship(order.id, &order);
    }
    probes::closed!();
}
