//! Tokens to tree, by recursive descent: one function per production of the grammar.
//!
//! Parsing never fails: there is always a tree, and a list of what is wrong with the script.
//! Where something is wrong a node is `Bad`, one complaint is made, and reading goes on behind the next `;` or `}`.
//!
//! **Depth.** Recursion in the parser is bounded by [`MAX_DEPTH`], counted in [`Parser::nested`].
//! A chain such as `1+1+1+…` nests its left operands without recursion here, but later passes (and `Drop`) walk the tree
//! recursively; so each expression's height is counted too, in [`Parser::node`], and together with the depth at which it
//! stands it is bounded by the same number.
//! Long chains of `&&` and `||`, which scripts made by programs do have, are balanced instead of refused.
//!
//! **Attach points** are read from the text, not from tokens; see [`crate::attach`].

mod directive;
mod expression;
mod item;
mod statement;
mod type_name;

pub(crate) use expression::precedence;

use std::collections::{HashSet, VecDeque};

use crate::ast::{Script, Span};
use crate::diagnostics::{self, Diagnostic};
use crate::lexer::{Lexer, Token, TokenKind};

/// How deep expressions and blocks may nest.
pub const MAX_DEPTH: u32 = 128;

/// The most bytes of a script.
pub const MAX_SIZE: usize = 64 << 20;

/// The most complaints about one script: behind these nobody reads on.
const MAX_DIAGNOSTICS: usize = 1000;

/// Text from outside as a script's text.
///
/// # Errors
/// Bytes that are not UTF-8, with their offset; more than [`MAX_SIZE`] bytes.
pub fn decode(bytes: &[u8]) -> Result<&str, Diagnostic> {
    if bytes.len() > MAX_SIZE {
        return Err(diagnostics::script_too_large(bytes.len(), MAX_SIZE));
    }
    std::str::from_utf8(bytes).map_err(|e| diagnostics::invalid_utf8(e.valid_up_to()))
}

/// Parses a script that takes no positional parameters in its attach points.
pub fn parse(source: &str) -> (Script, Vec<Diagnostic>) {
    parse_with(source, &[])
}

/// Parses a script; `$1` in attach points is the first of `parameters`.
///
/// In expressions positional parameters stay as they are: they get their values when the script is compiled.
pub fn parse_with(source: &str, parameters: &[String]) -> (Script, Vec<Diagnostic>) {
    if source.len() > MAX_SIZE {
        return (Script::default(), vec![diagnostics::script_too_large(source.len(), MAX_SIZE)]);
    }
    let mut parser = Parser {
        source,
        lexer: Lexer::new(source, 0),
        ahead: VecDeque::new(),
        parameters,
        diagnostics: Vec::new(),
        previous: Span::default(),
        complained_at: None,
        swallowed: false,
        too_deep: false,
        recovering: false,
        depth: 0,
        height: 0,
        in_predicate: false,
        defined: HashSet::from(["BPFTRACE_HAVE_BTF".to_owned()]),
    };
    let script = item::script(&mut parser);
    parser.diagnostics.sort_by_key(|d| d.span.start);
    (script, parser.diagnostics)
}

/// Where the parser stands.
struct Parser<'s> {
    source: &'s str,
    lexer: Lexer<'s>,
    /// Tokens read but not taken.
    ahead: VecDeque<Token>,
    parameters: &'s [String],
    diagnostics: Vec<Diagnostic>,
    /// The place of the token taken last.
    previous: Span,
    /// Where the last complaint about syntax was made: there is one per mistake.
    complained_at: Option<u32>,
    /// Whether a string without its end may have taken closing brackets with it.
    swallowed: bool,
    /// Whether too much nesting was complained about, which is done once.
    too_deep: bool,
    /// Whether something was too deep, so that until the end of the statement nothing fits.
    recovering: bool,
    /// How many productions are open that nest.
    depth: u32,
    /// The height of the tree that the last production gave.
    height: u32,
    /// Whether a `/` before a `{` ends the predicate that is being read.
    in_predicate: bool,
    /// Names that `#ifdef` finds.
    defined: HashSet<String>,
}

impl<'s> Parser<'s> {
    /// The token that comes `n` tokens from here; 0 is the next.
    fn nth(&mut self, n: usize) -> Token {
        while self.ahead.len() <= n {
            let token = self.lexer.next();
            self.ahead.push_back(token);
        }
        self.ahead[n]
    }

    /// The next token.
    fn peek(&mut self) -> Token {
        self.nth(0)
    }

    /// Whether the next token is of a kind.
    fn at(&mut self, kind: TokenKind) -> bool {
        self.peek().kind == kind
    }

    /// Whether the next token is a certain word.
    fn at_word(&mut self, word: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Ident && self.text(token.span) == word
    }

    /// Takes the next token.
    fn bump(&mut self) -> Token {
        let token = self.peek();
        self.ahead.pop_front();
        if token.kind != TokenKind::End {
            self.previous = token.span;
        }
        token
    }

    /// Takes the next token if it is of a kind.
    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.at(kind);
        if found {
            self.bump();
        }
        found
    }

    /// Takes the next token if it is a certain word.
    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.bump();
        }
        found
    }

    /// Takes a token of a kind, or complains that it is not there.
    fn expect(&mut self, kind: TokenKind) -> bool {
        let found = self.eat(kind);
        if !found {
            self.expected(kind.describe());
        }
        found
    }

    /// Takes the bracket that closes the one at `opening`, or complains.
    fn close(&mut self, kind: TokenKind, opening: Span) -> bool {
        if self.eat(kind) {
            return true;
        }
        let token = self.peek();
        match token.kind {
            TokenKind::Unknown | TokenKind::OpenComment => self.expected(kind.describe()),
            TokenKind::End if self.swallowed => {}
            _ => {
                let found = self.describe(token);
                self.complain(token.span, |span| {
                    diagnostics::unclosed(span, kind.describe(), &found, opening)
                });
            }
        }
        false
    }

    /// The text at a place.
    fn text(&self, span: Span) -> &'s str {
        &self.source[span.start as usize..span.end as usize]
    }

    /// How messages call a token: by its text, where it is short.
    fn describe(&self, token: Token) -> String {
        let text = self.text(token.span);
        match token.kind {
            TokenKind::End | TokenKind::OpenComment | TokenKind::Directive => {
                token.kind.describe().to_owned()
            }
            _ if text.chars().count() > 40 => token.kind.describe().to_owned(),
            _ => format!("`{text}`"),
        }
    }

    /// Complains that something else should come next.
    fn expected(&mut self, wanted: &str) {
        let token = self.peek();
        match token.kind {
            // The token itself is the mistake.
            TokenKind::Unknown => {
                let text = self.text(token.span);
                self.complain(token.span, |span| diagnostics::unknown_character(span, text));
            }
            TokenKind::OpenComment => self.complain(token.span, diagnostics::unterminated_comment),
            _ => {
                let found = self.describe(token);
                self.complain(token.span, |span| diagnostics::expected(span, wanted, &found));
            }
        }
    }

    /// Complains about syntax at a place, unless that was done there already or follows from too much nesting.
    fn complain(&mut self, span: Span, complaint: impl FnOnce(Span) -> Diagnostic) {
        if self.recovering || self.complained_at == Some(span.start) {
            return;
        }
        self.complained_at = Some(span.start);
        self.report(complaint(span));
    }

    /// Adds a complaint.
    fn report(&mut self, complaint: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(complaint);
        }
    }

    /// Runs a production that can nest in itself, if that is not too deep.
    fn nested<T>(&mut self, production: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            let span = self.peek().span;
            self.report_too_deep(span);
            return None;
        }
        self.depth += 1;
        let result = production(self);
        self.depth -= 1;
        Some(result)
    }

    fn report_too_deep(&mut self, span: Span) {
        if !std::mem::replace(&mut self.too_deep, true) {
            self.report(diagnostics::too_deep(span, MAX_DEPTH));
        }
        self.recovering = true;
    }

    /// The span from `start` to the token taken last.
    fn since(&self, start: Span) -> Span {
        if self.previous.end < start.start { start } else { start.to(self.previous) }
    }

    /// Goes back (or forth) to an offset of the source.
    fn seek(&mut self, position: usize) {
        self.ahead.clear();
        self.lexer = Lexer::new(self.source, position);
    }

    /// Skips to behind the next `;`, or to before the `}` that closes the block around, whichever comes first.
    fn skip_statement(&mut self) {
        let mut open = 0u32;
        loop {
            match self.peek().kind {
                TokenKind::End | TokenKind::OpenComment => return,
                TokenKind::Semicolon if open == 0 => {
                    self.bump();
                    return;
                }
                TokenKind::LeftBrace => open += 1,
                TokenKind::RightBrace if open == 0 => return,
                TokenKind::RightBrace => {
                    open -= 1;
                    if open == 0 {
                        self.bump();
                        return;
                    }
                }
                _ => {}
            }
            self.bump();
        }
    }

    /// Skips the branches of an `if` with all its `else if`s.
    fn skip_branches(&mut self) {
        use TokenKind::*;
        loop {
            while !matches!(self.peek().kind, LeftBrace | RightBrace | Semicolon | End | OpenComment) {
                self.bump();
            }
            if !self.at(LeftBrace) {
                return;
            }
            self.skip_brackets();
            if !self.eat_word("else") {
                return;
            }
        }
    }

    /// Skips something in brackets, from before its opening to behind its closing bracket.
    fn skip_brackets(&mut self) {
        use TokenKind::*;
        let mut open = 0u32;
        loop {
            match self.peek().kind {
                End | OpenComment => return,
                LeftBrace | LeftParen | LeftBracket => open += 1,
                RightBrace | RightParen | RightBracket => open = open.saturating_sub(1),
                _ => {}
            }
            self.bump();
            if open == 0 {
                return;
            }
        }
    }
}
