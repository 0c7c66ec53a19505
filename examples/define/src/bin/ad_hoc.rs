//! Probes where they fire, with no set-up.
//!
//! Listen: `stapes -c 'target/debug/ad_hoc 3' -e 'usdt::shop:order { printf("%d %s\n", arg0, str(arg1, arg2)) }'`

#![forbid(unsafe_code)]

fn main() {
    for order in stapes_examples::orders() {
        // Arguments that are there anyway: one nop.
        stapes::probe!(shop, order, order.id, item = order.item.as_str(), order.pieces);
        // Arguments that cost something: only while somebody listens.
        stapes::probe_lazy!(shop, label, text = format!("{} x {}", order.pieces, order.item).as_str());
    }
    if stapes::enabled!(shop, summary) {
        let orders = stapes_examples::orders();
        let pieces: u32 = orders.iter().map(|order| order.pieces).sum();
        stapes::probe!(shop, summary, orders = orders.len(), pieces);
    }
}
