//! The attributes and imports, with what users need to know of them.

/// Declares a provider: the functions of a module become probes.
///
/// ```
/// # pub struct Ctx;
/// #[stapes::provider(name = "myapp")]
/// pub mod probes {
///     use super::Ctx;
///
///     /// A request was accepted.
///     pub fn request_start(id: u64, path: &str, ms: f64, ctx: *const Ctx);
///
///     #[semaphore(none)]
///     pub fn tick();
/// }
///
/// # fn path() -> String { String::new() }
/// # fn main() {
/// # let ctx = Ctx;
/// probes::request_start!(7, &path(), 1.5, &ctx); // type-checked; evaluated only while somebody listens
/// probes::request_start(7, "/", 1.5, &ctx);      // a function like any other: evaluated always
/// if probes::request_start::enabled() {}
/// probes::tick!();
/// # }
/// ```
///
/// Options: `name = "…"` (otherwise the module's name), `dashes` (`__` in the names of functions becomes `-` in those of
/// probes, as DTrace has it), `crate = path` (where `stapes` is not `::stapes`).
///
/// Before a probe, `#[semaphore(none)]` leaves out its semaphore: it costs two bytes less, and nobody can ask whether it is
/// listened to, so its macro evaluates its arguments always.
/// `#[probe(name = "…")]` gives a name that is no identifier.
///
/// Documentation and other attributes go to the function.
/// Other items of the module stay as they are.
pub use stapes_macros::provider;

/// Declares the providers of a DTrace provider file, each as a module of its name, as [`provider`] does.
///
/// ```ignore
/// stapes::include_provider!("myapp.d");
/// myapp::request_start!(7, c"/".as_ptr());
/// ```
///
/// The path starts at the folder of the package. C's types become Rust's; `char *` and `string` are `*const c_char`.
pub use stapes_macros::include_provider;

/// Fires a probe where a function is entered, with its arguments, and one where it is left, with the nanoseconds it took.
///
/// ```
/// #[stapes::instrument(provider = "myapp", skip(password))]
/// fn login(user: &str, password: &str) -> bool {
///     user == password
/// }
/// # assert!(login("a", "a"));
/// ```
///
/// The probes are `myapp:login__entry` and `myapp:login__return`.
/// The latter fires however the function is left: by `return`, `?` or a panic; it does not fire where nobody listened when the
/// function was entered.
/// An async function is entered when it is first polled.
///
/// Options: `provider = "…"` (otherwise the crate's name), `name = "…"` (otherwise the function's), `skip(argument, …)`,
/// `crate = path`. Arguments that are patterns, and `self`, are not passed.
/// It needs `std`, for the clock.
pub use stapes_macros::instrument;
