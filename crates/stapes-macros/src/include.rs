//! `stapes::include_provider!`: a `.d` file as Rust modules.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Result};

use crate::options::Options;

pub(crate) fn expand(options: TokenStream) -> Result<TokenStream> {
    let options = syn::parse2::<Options>(options.clone())?.only(&["file", "crate"])?;
    let Some(file) = &options.file else {
        return Err(Error::new(
            proc_macro2::Span::call_site(),
            "expected the path of a provider file: `\"myapp.d\"`",
        ));
    };
    // As all tools do that cargo calls, from the folder of the package.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let path = folder.join(file.value());
    let source = std::fs::read_to_string(&path)
        .map_err(|error| Error::new(file.span(), format!("{}: {error}", path.display())))?;
    let at =
        |error: &stapes_declaration::Error| Error::new(file.span(), format!("{}:{error}", path.display()));
    let providers = stapes_declaration::d_file::parse(&source).map_err(|error| at(&error))?;
    let text = stapes_declaration::rust_module::write(&providers)
        .map_err(|error| Error::new(file.span(), format!("{}: {}", path.display(), error.message)))?;

    let modules: syn::File = syn::parse_str(&text)?;
    let mut out = TokenStream::new();
    for item in modules.items {
        let syn::Item::Mod(mut module) = item else { continue };
        let mut tokens = TokenStream::new();
        for attribute in std::mem::take(&mut module.attrs) {
            if attribute.path().segments.last().is_some_and(|segment| segment.ident == "provider") {
                if let syn::Meta::List(list) = &attribute.meta {
                    tokens = list.tokens.clone();
                }
            } else {
                module.attrs.push(attribute);
            }
        }
        let krate = options.path();
        out.extend(crate::provider::expand(quote! { #tokens, crate = #krate }, quote! { #module })?);
    }
    // So that the compiler knows that the file was read.
    let path = tracked(&path);
    Ok(quote! { #out const _: &[u8] = ::core::include_bytes!(#path); })
}

/// The path as `include_bytes!` takes it: absolute, as the file that calls the macro may be anywhere.
fn tracked(path: &Path) -> String {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
