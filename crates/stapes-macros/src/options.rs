//! What stands in the parentheses of the macros: `name = "myapp", dashes`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Path, Result, Token};

/// The options of all three macros; each refuses those that are not its own.
#[derive(Default)]
pub(crate) struct Options {
    /// `"file.d"`, where it is the first of all.
    pub(crate) file: Option<LitStr>,
    /// `name = "…"`.
    pub(crate) name: Option<LitStr>,
    /// `provider = "…"`.
    pub(crate) provider: Option<LitStr>,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// `skip(a, b)`.
    pub(crate) skip: Vec<Ident>,
    /// `dashes`.
    pub(crate) dashes: bool,
    /// The keys that were given, to refuse them.
    keys: Vec<(String, Span)>,
}

impl Options {
    /// Refuses options that are not among these.
    pub(crate) fn only(self, known: &[&str]) -> Result<Options> {
        match self.keys.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, span)) => {
                let list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
                Err(Error::new(*span, format!("no such option `{key}`; there are {list}")))
            }
            None => Ok(self),
        }
    }

    /// The path of the crate `stapes`.
    pub(crate) fn path(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| syn::parse_quote!(::stapes))
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Options> {
        let mut options = Options::default();
        while !input.is_empty() {
            if input.peek(LitStr) {
                let file: LitStr = input.parse()?;
                options.keys.push(("file".to_owned(), file.span()));
                options.file = Some(file);
            } else {
                options.option(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn option(&mut self, input: ParseStream<'_>) -> Result<()> {
        if input.peek(Token![crate]) {
            let key: Token![crate] = input.parse()?;
            self.keys.push(("crate".to_owned(), key.span));
            input.parse::<Token![=]>()?;
            self.krate = Some(input.parse()?);
            return Ok(());
        }
        let key: Ident = input.parse()?;
        self.keys.push((key.to_string(), key.span()));
        match key.to_string().as_str() {
            "name" => {
                input.parse::<Token![=]>()?;
                self.name = Some(input.parse()?);
            }
            "provider" => {
                input.parse::<Token![=]>()?;
                self.provider = Some(input.parse()?);
            }
            "skip" => {
                let list;
                syn::parenthesized!(list in input);
                self.skip = list.parse_terminated(Ident::parse, Token![,])?.into_iter().collect();
            }
            "dashes" => self.dashes = true,
            _ => {
                if input.peek(Token![=]) {
                    input.parse::<Token![=]>()?;
                    input.parse::<syn::Expr>()?;
                }
            }
        }
        Ok(())
    }
}

/// The name of a provider or probe must be one that tracers can write.
pub(crate) fn check_name(name: &str, span: Span) -> Result<()> {
    if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
        return Ok(());
    }
    Err(Error::new(span, "the names of providers and probes consist of letters, digits, `_` and `-`"))
}
