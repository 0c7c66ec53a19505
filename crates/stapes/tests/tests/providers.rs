//! `#[stapes::provider]`: what it declares in this very program, and what it refuses.

use std::cell::Cell;
use std::fs::File;

use stapes_binary::{Meaning, Probe, notes};

use crate::refusals::refusal_with_macros;

/// A type that only the module beside it knows.
#[derive(Default)]
struct Context {
    _data: u64,
}

#[stapes::provider(name = "typed", dashes)]
mod probes {
    use super::Context;

    /// Everything that can be passed.
    pub(super) fn request__start(id: u64, path: &str, ms: f64, context: *const Context, code: Option<i16>);

    #[probe(name = "its-own_name")]
    pub(super) fn renamed(r#type: u8);

    #[semaphore(none)]
    pub(super) fn bare(n: u32);

    /// More than fit into registers.
    pub(super) fn many(
        a: u8,
        b: u16,
        c: u32,
        d: u64,
        e: i8,
        f: i16,
        g: i32,
        h: i64,
        i: f32,
        j: bool,
        k: char,
        l: usize,
    );

    pub(super) const KEPT: u32 = 7;
}

/// The same probe in another module, as another crate may have it.
mod elsewhere {
    #[stapes::provider(name = "typed")]
    pub(crate) mod same {
        #[probe(name = "request-start")]
        pub fn again(id: u64);
    }
}

#[inline(never)]
fn fire(evaluated: &Cell<u32>) {
    let count = |n: u32| {
        evaluated.set(evaluated.get() + 1);
        n
    };
    let (context, path) = (Context::default(), String::from("/"));
    probes::request__start!(u64::from(count(7)), &path, 1.5, &context, Some(-3));
    probes::request__start(8, &path, 2.5, &context, None);
    probes::renamed!(count(1) as u8);
    probes::many!(1, 2, 3, 4, 5, 6, 7, 8, 9.5, true, 'k', 12);
    elsewhere::same::again!(9);
    probes::bare!(count(probes::KEPT));
}

/// The sites of this program's own probes.
fn probe(name: &str) -> Probe {
    let notes = notes::read(&File::open("/proc/self/exe").unwrap()).unwrap().unwrap();
    notes.probes.into_iter().find(|probe| probe.provider == "typed" && probe.name == name).unwrap()
}

#[test]
fn macros_are_lazy_and_probes_without_semaphores_are_not() {
    let evaluated = Cell::new(0);
    fire(&evaluated);
    assert_eq!(evaluated.get(), 1);
    assert!(
        !probes::request__start::enabled() && !probes::many::enabled() && !elsewhere::same::again::enabled()
    );
}

#[test]
fn sites_have_names_types_and_one_semaphore() {
    fire(&Cell::new(0));
    let start = probe("request-start");
    // The macro, the function, and the other module's.
    assert_eq!(start.sites.len(), 3, "{start:#?}");
    let semaphores: std::collections::BTreeSet<_> = start.sites.iter().map(|site| site.semaphore).collect();
    assert_eq!(semaphores.len(), 1);
    assert!(start.sites[0].semaphore.is_some());
    let site = start.sites.iter().find(|site| site.described.len() == 5).unwrap();
    let told: Vec<_> = site
        .described
        .iter()
        .map(|d| (d.name.as_str(), d.text.as_str(), d.meaning, d.optional, d.first))
        .collect();
    assert_eq!(
        told,
        [
            ("id", "u64", Meaning::Unsigned, false, 0),
            ("path", "&str", Meaning::String, false, 1),
            ("ms", "f64", Meaning::Float, false, 3),
            ("context", "*const Context", Meaning::Pointer, false, 4),
            ("code", "Option<i16>", Meaning::Signed, true, 5),
        ]
    );
    assert_eq!(probe("bare").sites[0].semaphore, None);
    assert_eq!(probe("its-own_name").sites[0].described[0].name, "type");
    let many = probe("many");
    let sizes: Vec<_> = many.sites[0].args.iter().map(|arg| arg.text.split_once('@').unwrap().0).collect();
    assert_eq!(sizes, ["1", "2", "4", "8", "-1", "-2", "-4", "-8", "4", "1", "4", "8"]);
}

#[test]
fn a_type_that_no_probe_passes_is_pointed_at() {
    let program = "#[stapes::provider] mod p { pub fn a(id: u64, names: Vec<String>); } fn main() {}";
    let refusal = refusal_with_macros("provider-type", program);
    assert_eq!(refusal.message, "`Vec<String>` cannot be passed to a probe");
    // Stable compilers give macros the place of one token.
    assert_eq!(refusal.pointed_at, "Vec", "{}", refusal.text);
}

#[test]
fn the_argument_that_is_too_many_is_pointed_at() {
    let program = "#[stapes::provider] mod p { pub fn a(a: &str, b: &str, c: &str, d: &str, e: &str, f: &[u8], g: u8); }
                   fn main() {}";
    let refusal = refusal_with_macros("provider-many", program);
    assert!(refusal.message.starts_with("a probe passes at most 12 values"), "{}", refusal.text);
    assert_eq!(refusal.pointed_at, "g: u8", "{}", refusal.text);
    // An alias hides what it stands for from the macro, but not from the compiler.
    let program = "type S<'a> = &'a str;
                   #[stapes::provider] mod p { use super::S;
                   pub fn a(a: S, b: S, c: S, d: S, e: S, f: S, g: u8); } fn main() {}";
    let refusal = refusal_with_macros("provider-alias", program);
    assert!(refusal.message.starts_with("a probe passes at most 12 values"), "{}", refusal.text);
    assert_eq!(refusal.pointed_at, "u8", "{}", refusal.text);
}

#[test]
fn wrong_calls_are_the_compiler_s_own_errors() {
    let head = "#[stapes::provider] mod p { pub fn a(id: u64, path: &str); } fn main() { ";
    let wrong = refusal_with_macros("provider-mismatch", &format!("{head} p::a!(1, 2.5); }}"));
    assert_eq!(
        (wrong.message.as_str(), wrong.pointed_at.as_str()),
        ("mismatched types", "2.5"),
        "{}",
        wrong.text
    );
    let missing = refusal_with_macros("provider-missing", &format!("{head} p::a!(1); }}"));
    assert!(missing.message.contains("takes 2 arguments but 1 argument was supplied"), "{}", missing.text);
    let constant =
        refusal_with_macros("provider-const", &format!("{head} }} const fn f() {{ p::a!(1, \"x\"); }}"));
    assert!(constant.message.contains("in constant functions"), "{}", constant.text);
}

#[test]
fn what_is_no_probe_is_refused() {
    let cases = [
        ("pub async fn a();", "a probe is a plain function of arguments", "async"),
        ("pub fn a<T>(t: T);", "a probe is a plain function of arguments", "T"),
        ("pub fn a() -> u8;", "a probe is a plain function of arguments", "-> u8"),
        ("pub fn a(&self);", "a probe has no receiver", "&self"),
        ("#[semaphore(all)] pub fn a();", "expected `#[semaphore(none)]`", "all"),
        ("#[probe(name = \"a:b\")] pub fn a();", "the names of providers and probes", "\"a:b\""),
    ];
    for (item, message, place) in cases {
        let refusal = refusal_with_macros(
            "provider-item",
            &format!("#[stapes::provider] mod p {{ {item} }} fn main() {{}}"),
        );
        assert!(refusal.message.starts_with(message), "{item}: {}", refusal.text);
        assert_eq!(refusal.pointed_at, place, "{item}: {}", refusal.text);
    }
    let option =
        refusal_with_macros("provider-option", "#[stapes::provider(nam = \"x\")] mod p {} fn main() {}");
    assert_eq!(
        (option.message.as_str(), option.pointed_at.as_str()),
        ("no such option `nam`; there are `name`, `dashes`, `crate`", "nam")
    );
    let file = refusal_with_macros("include", "stapes::include_provider!(\"missing.d\"); fn main() {}");
    assert!(file.message.contains("missing.d: No such file"), "{}", file.text);
    assert_eq!(file.pointed_at, "\"missing.d\"");
}

/// The functions of `#[stapes::instrument]`, and what they pass.
mod instrumented {
    #[stapes::instrument(provider = "typed", name = "work", skip(secret))]
    #[inline(never)]
    pub(super) fn work(n: u32, text: &str, secret: [u64; 9]) -> Result<u32, String> {
        if secret[0] == 0 {
            return Err(text.to_owned());
        }
        Ok(n)
    }

    pub(super) struct Thing;

    impl Thing {
        #[stapes::instrument(provider = "typed")]
        pub(super) fn method(&mut self, n: i64) -> i64 {
            n + 1
        }

        #[stapes::instrument(provider = "typed")]
        pub(super) async fn later<T: stapes::Argument>(&self, value: T) -> T {
            value
        }
    }
}

#[test]
fn functions_have_probes_where_they_are_entered_and_left() {
    use instrumented::{Thing, work};
    assert_eq!(work(1, "x", [0; 9]), Err("x".to_owned()));
    assert_eq!(work(1, "x", [1; 9]), Ok(1));
    assert_eq!(Thing.method(1), 2);
    let mut later = Box::pin(Thing.later(5_u8));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(later.as_mut().poll(&mut context).is_ready());
    let names = |probe: Probe| probe.sites[0].described.iter().map(|d| d.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(probe("work__entry")), ["n", "text"]);
    assert_eq!(names(probe("work__return")), ["duration_ns"]);
    assert_eq!(names(probe("method__entry")), ["n"]);
    assert_eq!(names(probe("later__entry")), ["value"]);
}
