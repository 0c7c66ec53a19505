//! A program that uses `tracing` and gets probes for it by one line.
//!
//! Listen: `stapes -c 'target/debug/with_tracing 3' -e 'usdt::tracing:event { printf("%s\n", str(arg0, arg1)) }'`

#![forbid(unsafe_code)]

use tracing_subscriber::prelude::*;

fn main() {
    tracing_subscriber::registry().with(stapes_tracing::layer()).init();
    for order in stapes_examples::orders() {
        let _span = tracing::info_span!("ship", id = order.id).entered();
        tracing::info!(item = order.item, pieces = order.pieces, "on its way");
    }
}
