//! `#[stapes::instrument]`: probes where a function is entered and left.
//!
//! ```text
//! fn handle(path: &str, n: u32) -> Reply {            probes handle__entry(path, n)
//!     let _left = …;                                         handle__return(duration_ns)
//!     …
//! }
//! ```
//!
//! The clock is read only where somebody listens to the return probe when the function is entered.
//! The return probe is fired when a local value is dropped: by `return`, `?` and panics alike.
//! Of an async function, the body is what is instrumented: entered when it is first polled, left when it is complete or dropped.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{FnArg, ItemFn, LitStr, Pat, Result, parse_quote};

use crate::options::{Options, check_name};
use crate::provider::{escape, plain, type_text};

pub(crate) fn expand(options: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let options = syn::parse2::<Options>(options)?.only(&["provider", "name", "skip", "crate"])?;
    let mut function: ItemFn = syn::parse2(function)?;
    let krate = options.path();
    let name = options.name.as_ref().map_or_else(|| plain(&function.sig.ident), LitStr::value);
    let provider = match &options.provider {
        Some(provider) => provider.clone(),
        None => {
            let package = std::env::var("CARGO_CRATE_NAME").or_else(|_| std::env::var("CARGO_PKG_NAME"));
            LitStr::new(&package.unwrap_or_else(|_| "rust".to_owned()), Span::call_site())
        }
    };
    check_name(&provider.value(), provider.span())?;
    check_name(&name, options.name.as_ref().map_or(function.sig.ident.span(), LitStr::span))?;
    let (entry, left) = (format!("{name}__entry"), format!("{name}__return"));

    let mut arguments = Vec::new();
    for input in &function.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let Pat::Ident(pattern) = &*typed.pat else { continue };
        if options.skip.contains(&pattern.ident) {
            continue;
        }
        let identifier = &pattern.ident;
        let name_text = Literal::string(&escape(&plain(identifier)));
        let type_text = Literal::string(&escape(&type_text(typed.ty.to_token_stream())));
        arguments.push(quote! { ([#name_text] [#type_text] &#identifier) });
    }

    let guard = format_ident!("__stapes_left", span = Span::mixed_site());
    let probes = quote! {
        if #krate::enabled!(#provider, #entry) {
            #krate::private::cold();
            #krate::__probe! { #provider #entry 1 [#(#arguments)*] }
        }
        let #guard = #krate::private::Left::new(
            #krate::enabled!(#provider, #left).then(::std::time::Instant::now),
            |start: &::std::time::Instant| {
                let duration_ns = start.elapsed().as_nanos() as u64;
                #krate::__probe! { #provider #left 1 [(["duration_ns"] ["u64"] duration_ns)] }
            },
        );
    };
    // The body of an async function begins when it is first polled, and these lines with it.
    let body = &function.block;
    function.block = parse_quote! {{ #probes #body }};
    Ok(function.to_token_stream())
}
