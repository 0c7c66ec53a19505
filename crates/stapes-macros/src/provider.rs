//! `#[stapes::provider]`: from functions without bodies to probes.
//!
//! The module stays as it is, apart from its functions: each becomes a call of `stapes::__provider_probe!`,
//! which says what it expands to.

use std::hash::{DefaultHasher, Hash, Hasher};

use proc_macro2::{Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, ForeignItemFn, Ident, Item, ItemMod, LitStr, Meta, Pat, Path, Result, Type,
    Visibility,
};

use crate::options::{Options, check_name};

/// Tracers decode at most so many values.
const MOST_VALUES: usize = 12;

pub(crate) fn expand(options: TokenStream, module: TokenStream) -> Result<TokenStream> {
    let options = syn::parse2::<Options>(options)?.only(&["name", "dashes", "crate"])?;
    // Functions without bodies are no items of syn's, but of Rust's grammar: they come as tokens.
    let module: ItemMod = syn::parse2(module)?;
    let Some((_, items)) = &module.content else {
        return Err(Error::new(
            module.span(),
            "the probes of a provider stand in the module itself: `mod name { … }`",
        ));
    };
    let name = match &options.name {
        Some(name) => name.clone(),
        None => LitStr::new(&plain(&module.ident), module.ident.span()),
    };
    check_name(&name.value(), name.span())?;
    let krate = options.path();

    let mut out = TokenStream::new();
    for item in items {
        match item {
            Item::Verbatim(tokens) => match syn::parse2::<ForeignItemFn>(tokens.clone()) {
                Ok(function) => out.extend(probe(&krate, &name, options.dashes, function)?),
                Err(_) => out.extend(tokens.clone()),
            },
            Item::Fn(function) if function.block.stmts.is_empty() => {
                let function = ForeignItemFn {
                    attrs: function.attrs.clone(),
                    vis: function.vis.clone(),
                    sig: function.sig.clone(),
                    semi_token: syn::token::Semi(function.block.span()),
                };
                out.extend(probe(&krate, &name, options.dashes, function)?);
            }
            item => item.to_tokens(&mut out),
        }
    }
    let (attributes, visibility, module_name) = (&module.attrs, &module.vis, &module.ident);
    Ok(quote! { #(#attributes)* #visibility mod #module_name { #out } })
}

/// The call that declares one probe.
fn probe(krate: &Path, provider: &LitStr, dashes: bool, function: ForeignItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if let Some(tokens) = first_unwanted(signature) {
        return Err(Error::new_spanned(
            tokens,
            "a probe is a plain function of arguments: `pub fn name(id: u64);`",
        ));
    }
    let special = special(&function.attrs)?;
    let identifier = &signature.ident;
    let name = match &special.name {
        Some(name) => name.clone(),
        None if dashes => LitStr::new(&plain(identifier).replace("__", "-"), identifier.span()),
        None => LitStr::new(&plain(identifier), identifier.span()),
    };
    check_name(&name.value(), name.span())?;

    let mut parameters = Vec::new();
    let mut values = 0;
    for input in &signature.inputs {
        let (parameter, kind) = match input {
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(pattern) if pattern.subpat.is_none() && pattern.by_ref.is_none() => {
                    (&pattern.ident, &*typed.ty)
                }
                pattern => {
                    return Err(Error::new_spanned(pattern, "an argument of a probe has a plain name"));
                }
            },
            FnArg::Receiver(receiver) => return Err(Error::new_spanned(receiver, "a probe has no receiver")),
        };
        values += values_of(kind);
        if values > MOST_VALUES {
            return Err(Error::new_spanned(
                input,
                "a probe passes at most 12 values, and this argument is beyond them \
                 (a string or slice takes two, and so does an `Option` of a number)",
            ));
        }
        let name_text = Literal::string(&escape(&plain(parameter)));
        let type_text = Literal::string(&escape(&type_text(kind.to_token_stream())));
        // The value has the place of its type: an error about what cannot be passed points there.
        let mut value = parameter.clone();
        value.set_span(parameter.span().located_at(kind.span()));
        parameters.push(quote! { (#parameter #kind, [#name_text] [#type_text] #value) });
    }

    let attributes = &special.others;
    let counted = Literal::u8_unsuffixed(u8::from(special.counted));
    let number = number(provider, &name, &function);
    let marker = format_ident!("__StapesProbe{:016X}", number, span = Span::call_site());
    let exported = format_ident!("__stapes_{:016x}_{}", number, plain(identifier), span = Span::call_site());
    let number = Literal::u64_unsuffixed(number);
    let dollar = TokenTree::Punct(Punct::new('$', Spacing::Alone));
    let visibility = match &function.vis {
        // A module's private probes would be of no use: they are as visible as can be, as far as the module is.
        Visibility::Inherited => quote! { pub(super) },
        visibility => visibility.to_token_stream(),
    };
    Ok(quote! {
        #krate::__provider_probe! {
            #dollar #provider #name #counted #number #marker #exported [#(#attributes)*] [#visibility] #identifier
            [#(#parameters)*]
        }
    })
}

/// What a probe cannot be: async, generic, and so on.
fn first_unwanted(signature: &syn::Signature) -> Option<TokenStream> {
    let tokens = [
        signature.constness.to_token_stream(),
        signature.asyncness.to_token_stream(),
        signature.unsafety.to_token_stream(),
        signature.abi.to_token_stream(),
        signature.generics.params.to_token_stream(),
        signature.variadic.to_token_stream(),
        match &signature.output {
            syn::ReturnType::Default => TokenStream::new(),
            output => output.to_token_stream(),
        },
        signature.generics.where_clause.to_token_stream(),
    ];
    tokens.into_iter().find(|tokens| !tokens.is_empty())
}

/// What the attributes of a probe say that are ours.
struct Special {
    counted: bool,
    name: Option<LitStr>,
    others: Vec<Attribute>,
}

fn special(attributes: &[Attribute]) -> Result<Special> {
    let mut special = Special { counted: true, name: None, others: Vec::new() };
    for attribute in attributes {
        if attribute.path().is_ident("semaphore") {
            let Meta::List(list) = &attribute.meta else {
                return Err(Error::new_spanned(attribute, "expected `#[semaphore(none)]`"));
            };
            if syn::parse2::<Ident>(list.tokens.clone())? != "none" {
                return Err(Error::new_spanned(&list.tokens, "expected `#[semaphore(none)]`"));
            }
            special.counted = false;
        } else if attribute.path().is_ident("probe") {
            let options = attribute.parse_args::<Options>()?.only(&["name"])?;
            special.name = options.name;
        } else {
            special.others.push(attribute.clone());
        }
    }
    Ok(special)
}

/// How many values a type takes, as far as its text says; the compiler counts again when it knows.
fn values_of(kind: &Type) -> usize {
    match kind {
        Type::Reference(reference) => match &*reference.elem {
            Type::Slice(_) => 2,
            Type::Path(path) if path.path.is_ident("str") => 2,
            Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "CStr") => 2,
            _ => 1,
        },
        _ => 1,
    }
}

/// A number that no other probe has: made of all that is known of it.
fn number(provider: &LitStr, name: &LitStr, function: &ForeignItemFn) -> u64 {
    let mut hasher = DefaultHasher::new();
    for variable in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_CRATE_NAME", "CARGO_MANIFEST_DIR"] {
        std::env::var(variable).unwrap_or_default().hash(&mut hasher);
    }
    provider.value().hash(&mut hasher);
    name.value().hash(&mut hasher);
    function.to_token_stream().to_string().hash(&mut hasher);
    // Two modules may declare the same probe: their places differ.
    format!("{:?}", function.sig.ident.span()).hash(&mut hasher);
    hasher.finish()
}

/// An identifier without `r#`.
pub(crate) fn plain(identifier: &Ident) -> String {
    let text = identifier.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

/// Text for a string of the assembler in a template of `asm!`.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '{' => escaped.push_str("{{"),
            '}' => escaped.push_str("}}"),
            '"' | '\\' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A type as people write it: tokens, with space where words would touch.
pub(crate) fn type_text(tokens: TokenStream) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                text.push_str(open);
                text.push_str(&type_text(group.stream()));
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                text.push(punct.as_char());
                if matches!(punct.as_char(), ',' | ';') {
                    text.push(' ');
                }
            }
            word => {
                if text.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
    text
}
