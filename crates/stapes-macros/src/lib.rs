//! The macros of the crate `stapes` that have to parse: attributes and imports. Use them through `stapes`.
//!
//! Each gathers what it is told and leaves the probes themselves to `stapes`' own macros:
//! what they expand to contains no `unsafe` and no assembly.

#![forbid(unsafe_code)]

mod include;
mod instrument;
mod options;
mod provider;

use proc_macro::TokenStream;

/// Declares a provider: see the crate `stapes`.
#[proc_macro_attribute]
pub fn provider(options: TokenStream, module: TokenStream) -> TokenStream {
    provider::expand(options.into(), module.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Declares the providers of a `.d` file: see the crate `stapes`.
#[proc_macro]
pub fn include_provider(options: TokenStream) -> TokenStream {
    include::expand(options.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Fires probes where a function is entered and left: see the crate `stapes`.
#[proc_macro_attribute]
pub fn instrument(options: TokenStream, function: TokenStream) -> TokenStream {
    instrument::expand(options.into(), function.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
