//! Providers in Rust sources.

use stapes_declaration::{Kind, rust_file, rust_module};

const SOURCE: &str = r##"
//! A crate. "not a string's end: \" { */
use std::fmt; // #[stapes::provider] mod no { }

/* #[stapes::provider] /* nested */ mod neither {} */
fn main() { let _ = ('{', '\'', "}", r"mod x {"); }

/// The probes.
#[stapes::provider(name = "shop", dashes)]
pub mod probes {
    use super::{Order, Thing};

    /// An order came.
    /// It may be empty.
    pub fn order__received(id: u64, item: &str, flags: Option<u8>, order: *const Order);

    #[semaphore(none)]
    /// A beat.
    pub(crate) fn tick();

    const X: [u8; 2] = [1, 2];

    #[probe(name = "its-name")]
    pub fn other(text: &'static core::ffi::CStr, bytes: &[u8], ok: bool, c: char, x: Option<&str>) {}
}

#[cfg(test)]
mod tests {}
"##;

#[test]
fn providers_are_found_among_everything_else() {
    let providers = rust_file::parse(SOURCE).unwrap();
    assert_eq!(providers.len(), 1);
    let provider = &providers[0];
    assert_eq!((provider.name.as_str(), provider.documentation.as_str()), ("shop", "The probes."));
    let [received, tick, other] = &provider.probes[..] else { panic!("{provider:#?}") };
    // `dashes`: two underscores become a dash, as in DTrace.
    assert_eq!(received.name, "order-received");
    assert_eq!(received.documentation, "An order came.\nIt may be empty.");
    let kinds: Vec<_> =
        received.arguments.iter().map(|argument| (argument.text.as_str(), argument.kind.clone())).collect();
    assert_eq!(
        kinds,
        [
            ("u64", Kind::Unsigned(8)),
            ("&str", Kind::String),
            ("Option<u8>", Kind::Optional(Box::new(Kind::Unsigned(1)))),
            ("*const Order", Kind::Pointer),
        ]
    );
    assert_eq!(received.values(), 6);
    assert_eq!(
        (tick.name.as_str(), tick.has_semaphore, tick.documentation.as_str()),
        ("tick", false, "A beat.")
    );
    assert_eq!(other.name, "its-name");
    let kinds: Vec<_> = other.arguments.iter().map(|argument| argument.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            Kind::CStringWithLength,
            Kind::Bytes,
            Kind::Bool,
            Kind::Char,
            Kind::Optional(Box::new(Kind::String))
        ]
    );
}

#[test]
fn what_is_written_is_read_back() {
    let providers = rust_file::parse(SOURCE).unwrap();
    let text = rust_module::write(&providers).unwrap();
    let again = rust_file::parse(&text).unwrap();
    let names = |providers: &[stapes_declaration::Provider]| -> Vec<(String, Vec<Kind>, bool)> {
        let probes = providers.iter().flat_map(|provider| &provider.probes);
        probes
            .map(|probe| {
                let kinds = probe.arguments.iter().map(|argument| argument.kind.clone()).collect();
                (probe.name.clone(), kinds, probe.has_semaphore)
            })
            .collect()
    };
    assert_eq!(names(&again), names(&providers), "{text}");
}

#[test]
fn no_text_makes_it_panic() {
    for (at, _) in SOURCE.char_indices() {
        let _ = rust_file::parse(&SOURCE[..at]);
        let _ = rust_file::parse(&SOURCE[at..]);
    }
}
