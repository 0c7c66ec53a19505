//! Functions by their C++ names: `uprobe:PATH:cpp:"ns::f(int)"`.
//!
//! A name with its parameters means one overload, a name without means all of them; both may have wildcards.
//! Symbols come from the file and may be made to demangle to endless text, so what is written is bounded.

use std::fmt;

use cpp_demangle::{DemangleNodeType, DemangleOptions, DemangleWrite, Symbol};
use stapes_binary::glob::{Glob, has_wildcard};

/// No name that somebody means is longer.
const LONGEST: usize = 16 << 10;

/// A C++ name that is looked for.
pub(super) struct CppName {
    glob: Glob,
    options: DemangleOptions,
    /// What must stand in the mangled name, so that most symbols need not be demangled.
    word: String,
}

impl CppName {
    pub(super) fn new(name: &str) -> CppName {
        // The parameters are behind the last part of the name; `operator()` has parentheses of its own.
        let parameters = name.replace("operator()", "").contains('(');
        let options = DemangleOptions::new().no_return_type();
        CppName {
            glob: Glob::new(name),
            options: if parameters { options } else { options.no_params() },
            word: own_word(name).to_owned(),
        }
    }

    /// Whether the mangled name is one of these.
    pub(super) fn matches(&self, mangled: &str) -> bool {
        if !mangled.starts_with("_Z") || !mangled.contains(&self.word) {
            return false;
        }
        let Ok(symbol) = Symbol::new(mangled) else { return false };
        let mut text = Bounded(String::new());
        symbol.structured_demangle(&mut text, &self.options).is_ok() && self.glob.matches(&text.0)
    }
}

/// The function's own name where it stands in the mangled name as it is; else nothing, which every name holds.
///
/// Operators are spelled otherwise there, some names of `std` are abbreviated, and a wildcard may be a part of a word.
fn own_word(name: &str) -> &str {
    if has_wildcard(name) || name.contains("operator") || name.starts_with("std::") {
        return "";
    }
    let path = name.split(['(', '<', ' ']).next().unwrap_or_default();
    path.rsplit("::").next().unwrap_or_default().trim_start_matches('~')
}

struct Bounded(String);

impl DemangleWrite for Bounded {
    fn push_demangle_node(&mut self, _: DemangleNodeType) {}

    fn pop_demangle_node(&mut self) {}

    fn write_string(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CppName;

    /// `void ns::f(int)`, `void ns::f(char const*)` and `Box<int>::get() const`, as g++ mangles them.
    const F_INT: &str = "_ZN2ns1fEi";
    const F_TEXT: &str = "_ZN2ns1fEPKc";
    const GET: &str = "_ZNK3BoxIiE3getEv";

    #[test]
    fn a_name_without_parameters_means_every_overload() {
        let matches =
            |name: &str| [F_INT, F_TEXT, GET, "main"].map(|mangled| CppName::new(name).matches(mangled));
        assert_eq!(matches("ns::f"), [true, true, false, false]);
        assert_eq!(matches("ns::f(int)"), [true, false, false, false]);
        assert_eq!(matches("ns::*"), [true, true, false, false]);
        assert_eq!(matches("Box<int>::get"), [false, false, true, false]);
        assert_eq!(matches("Box<int>::get() const"), [false, false, true, false]);
        assert_eq!(matches("operator()"), [false, false, false, false]);
        assert_eq!(matches("ns::g"), [false, false, false, false]);
        assert_eq!(matches("main"), [false, false, false, false]);
    }
}
