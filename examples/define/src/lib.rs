//! A shop, which the examples sell from: orders that are the same each time, so that traces can be compared.

#![forbid(unsafe_code)]

/// An order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its number.
    pub id: u64,
    /// What is ordered.
    pub item: String,
    /// How many.
    pub pieces: u32,
    /// The price of all, in euros.
    pub price: f64,
    /// Who sent a voucher along.
    pub voucher: Option<String>,
}

/// The orders of a day: as many as the program's argument says, otherwise ten.
pub fn orders() -> Vec<Order> {
    let items = ["apples", "bread", "coffee"];
    let count = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(10);
    (1..=count)
        .map(|id: u64| Order {
            id,
            item: items[(id % 3) as usize].to_owned(),
            pieces: (id % 5) as u32 + 1,
            price: id as f64 * 2.5,
            voucher: id.is_multiple_of(2).then(|| format!("V{id}")),
        })
        .collect()
}

/// Probes that other crates fire, too: `stapes_examples::probes::order_shipped!(…)`.
#[stapes::provider(name = "shop")]
pub mod probes {
    use super::Order;

    /// An order has come.
    pub fn order_received(id: u64, item: &str, pieces: u32, order: *const Order);

    /// An order is on its way.
    pub fn order_shipped(id: u64, price: f64, voucher: Option<&str>);

    /// The day is over.
    #[semaphore(none)]
    pub fn closed();
}
