//! Expressions, with C's operators, precedence and associativity.

use super::statement::{Mode, nested_block};
use super::{MAX_DEPTH, Parser, type_name};
use crate::ast::{BinaryOp, Block, Expr, ExprKind, Name, Span, TypeName, UnaryOp};
use crate::lexer::TokenKind;
use crate::{diagnostics, literal};

/// Chains of `&&` or `||` that are longer become balanced trees, which mean the same.
const LONGEST_CHAIN: usize = 32;

/// Words that cannot begin an expression, so that a mistake before them is found at them.
const RESERVED: &[&str] = &[
    "else", "for", "while", "unroll", "let", "return", "break", "continue", "struct", "union", "enum",
    "macro", "import",
];

/// The binary operators; the higher the number, the closer they bind. All group to the left.
const OPERATORS: &[(TokenKind, BinaryOp, u32)] = &[
    (TokenKind::OrOr, BinaryOp::Or, 1),
    (TokenKind::AndAnd, BinaryOp::And, 2),
    (TokenKind::Or, BinaryOp::BitOr, 3),
    (TokenKind::Caret, BinaryOp::BitXor, 4),
    (TokenKind::And, BinaryOp::BitAnd, 5),
    (TokenKind::EqEq, BinaryOp::Eq, 6),
    (TokenKind::NotEq, BinaryOp::Ne, 6),
    (TokenKind::Less, BinaryOp::Lt, 7),
    (TokenKind::LessEq, BinaryOp::Le, 7),
    (TokenKind::Greater, BinaryOp::Gt, 7),
    (TokenKind::GreaterEq, BinaryOp::Ge, 7),
    (TokenKind::Shl, BinaryOp::Shl, 8),
    (TokenKind::Shr, BinaryOp::Shr, 8),
    (TokenKind::Plus, BinaryOp::Add, 9),
    (TokenKind::Minus, BinaryOp::Sub, 9),
    (TokenKind::Star, BinaryOp::Mul, 10),
    (TokenKind::Slash, BinaryOp::Div, 10),
    (TokenKind::Percent, BinaryOp::Mod, 10),
];

/// How closely a binary operator binds, 1 to 10.
pub(crate) fn precedence(op: BinaryOp) -> u32 {
    OPERATORS.iter().find(|(_, o, _)| *o == op).map_or(0, |(_, _, precedence)| *precedence)
}

impl Parser<'_> {
    /// A node whose highest child has the given height; `Bad` if that makes the tree too high here.
    fn node(&mut self, kind: ExprKind, span: Span, children: u32) -> Expr {
        if self.depth + children >= MAX_DEPTH {
            self.report_too_deep(span);
            return self.leaf(ExprKind::Bad, span);
        }
        self.height = children + 1;
        Expr { kind, span }
    }

    /// A node without children.
    fn leaf(&mut self, kind: ExprKind, span: Span) -> Expr {
        self.height = 1;
        Expr { kind, span }
    }

    fn bad(&mut self, span: Span) -> Expr {
        self.leaf(ExprKind::Bad, span)
    }

    /// Runs a production that gives an expression and can nest in itself; too deep inside, one operand is skipped.
    fn nested_expr(&mut self, production: impl FnOnce(&mut Self) -> Expr) -> Expr {
        let span = self.peek().span;
        match self.nested(production) {
            Some(expr) => expr,
            None => {
                use TokenKind::*;
                if matches!(self.peek().kind, Ident | Integer | String | Variable | Map | Parameter) {
                    self.bump();
                }
                while matches!(self.peek().kind, LeftParen | LeftBracket | LeftBrace) {
                    self.skip_brackets();
                }
                self.bad(span)
            }
        }
    }
}

/// Any expression.
pub(super) fn expression(p: &mut Parser) -> Expr {
    p.nested_expr(ternary)
}

/// An expression inside brackets, where a predicate cannot end.
fn enclosed(p: &mut Parser) -> Expr {
    let in_predicate = std::mem::take(&mut p.in_predicate);
    let expr = expression(p);
    p.in_predicate = in_predicate;
    expr
}

/// `condition ? a : b`, grouping to the right.
fn ternary(p: &mut Parser) -> Expr {
    let start = p.peek().span;
    let condition = binary(p, 0);
    let mut height = p.height;
    if !p.eat(TokenKind::Question) {
        return condition;
    }
    let then = expression(p);
    height = height.max(p.height);
    if !p.expect(TokenKind::Colon) {
        return p.bad(p.since(start));
    }
    let otherwise = p.nested_expr(ternary);
    height = height.max(p.height);
    let kind = ExprKind::Ternary(Box::new(condition), Box::new(then), Box::new(otherwise));
    p.node(kind, p.since(start), height)
}

/// The binary operator that comes next.
fn operator(p: &mut Parser) -> Option<(BinaryOp, u32)> {
    let kind = p.peek().kind;
    if kind == TokenKind::Slash && p.in_predicate && p.nth(1).kind == TokenKind::LeftBrace {
        return None;
    }
    OPERATORS.iter().find(|(k, _, _)| *k == kind).map(|(_, op, precedence)| (*op, *precedence))
}

/// Operands and operators that bind at least as closely as `least`.
fn binary(p: &mut Parser, least: u32) -> Expr {
    let start = p.peek().span;
    let mut left = unary(p);
    while let Some((op, precedence)) = operator(p)
        && precedence >= least
    {
        if matches!(op, BinaryOp::And | BinaryOp::Or) {
            left = logical(p, left, op, precedence);
            continue;
        }
        let mut height = p.height;
        p.bump();
        let right = p.nested_expr(|p| binary(p, precedence + 1));
        height = height.max(p.height);
        left = p.node(ExprKind::Binary(op, Box::new(left), Box::new(right)), p.since(start), height);
    }
    left
}

/// A chain of one of `&&` and `||`, of which the first operand is read.
fn logical(p: &mut Parser, first: Expr, op: BinaryOp, precedence: u32) -> Expr {
    let mut operands = vec![(first, p.height)];
    while operator(p) == Some((op, precedence)) {
        p.bump();
        let operand = p.nested_expr(|p| binary(p, precedence + 1));
        operands.push((operand, p.height));
    }
    if operands.len() > LONGEST_CHAIN {
        return balanced(p, op, operands);
    }
    let mut operands = operands.into_iter();
    let Some((mut left, mut height)) = operands.next() else { return p.bad(Span::default()) };
    for (right, right_height) in operands {
        let span = left.span.to(right.span);
        height = height.max(right_height);
        left = p.node(ExprKind::Binary(op, Box::new(left), Box::new(right)), span, height);
        height = p.height;
    }
    left
}

/// Joins operands pair by pair: `a || b || c || d` as `(a || b) || (c || d)`, evaluated in the same order.
fn balanced(p: &mut Parser, op: BinaryOp, mut operands: Vec<(Expr, u32)>) -> Expr {
    while operands.len() > 1 {
        let mut pairs = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some((left, left_height)) = rest.next() {
            let Some((right, right_height)) = rest.next() else {
                pairs.push((left, left_height));
                break;
            };
            let span = left.span.to(right.span);
            let kind = ExprKind::Binary(op, Box::new(left), Box::new(right));
            let joined = p.node(kind, span, left_height.max(right_height));
            pairs.push((joined, p.height));
        }
        operands = pairs;
    }
    match operands.pop() {
        Some((expr, height)) => {
            p.height = height;
            expr
        }
        None => p.bad(Span::default()),
    }
}

/// Prefix operators and casts.
fn unary(p: &mut Parser) -> Expr {
    let start = p.peek().span;
    let op = match p.peek().kind {
        TokenKind::Minus => UnaryOp::Neg,
        TokenKind::Not => UnaryOp::Not,
        TokenKind::Tilde => UnaryOp::BitNot,
        TokenKind::Star => UnaryOp::Deref,
        TokenKind::And => UnaryOp::AddressOf,
        kind @ (TokenKind::PlusPlus | TokenKind::MinusMinus) => {
            p.bump();
            let target = p.nested_expr(unary);
            return step(p, target, kind == TokenKind::PlusPlus, true, start);
        }
        TokenKind::LeftParen if type_name::at_cast(p) => return cast(p),
        _ => return postfix(p),
    };
    p.bump();
    let operand = p.nested_expr(unary);
    p.node(ExprKind::Unary(op, Box::new(operand)), p.since(start), p.height)
}

/// `(type)x`.
fn cast(p: &mut Parser) -> Expr {
    let opening = p.bump().span;
    let ty = type_name::type_name(p);
    p.close(TokenKind::RightParen, opening);
    let operand = p.nested_expr(unary);
    match ty {
        Some(ty) => p.node(ExprKind::Cast(ty, Box::new(operand)), p.since(opening), p.height),
        None => p.bad(p.since(opening)),
    }
}

/// `x++` and its kin, once the operand is read.
fn step(p: &mut Parser, target: Expr, increment: bool, prefix: bool, start: Span) -> Expr {
    if matches!(target.kind, ExprKind::Bad) || !check_assignable(p, &target) {
        return p.bad(p.since(start));
    }
    let kind = ExprKind::Step { target: Box::new(target), increment, prefix };
    p.node(kind, p.since(start), p.height)
}

/// Whether an expression is a place that can be assigned to; complains if not.
pub(super) fn check_assignable(p: &mut Parser, target: &Expr) -> bool {
    let what = match target.kind {
        ExprKind::Variable(_)
        | ExprKind::Map { .. }
        | ExprKind::Field { .. }
        | ExprKind::Index(..)
        | ExprKind::Unary(UnaryOp::Deref, _)
        | ExprKind::Bad => return true,
        // `_ = f()` throws a value away.
        ExprKind::Ident(ref name) if name.text == "_" => return true,
        ExprKind::Ident(ref name) => format!("`{}`", name.text),
        ExprKind::Integer(_) | ExprKind::Bool(_) => "a number".to_owned(),
        ExprKind::String(_) => "a string".to_owned(),
        ExprKind::Call { ref name, .. } => format!("the result of `{}`", name.text),
        ExprKind::Parameter(_) => "a positional parameter".to_owned(),
        _ => "the value of an expression".to_owned(),
    };
    p.complain(target.span, |span| diagnostics::not_assignable(span, &what));
    false
}

/// Fields, elements, `x++`.
fn postfix(p: &mut Parser) -> Expr {
    let start = p.peek().span;
    let mut base = primary(p);
    loop {
        let height = p.height;
        match p.peek().kind {
            kind @ (TokenKind::Dot | TokenKind::Arrow) => {
                p.bump();
                let Some(field) = field_name(p) else { return p.bad(p.since(start)) };
                let kind = ExprKind::Field { base: Box::new(base), field, arrow: kind == TokenKind::Arrow };
                base = p.node(kind, p.since(start), height);
            }
            TokenKind::LeftBracket => {
                let opening = p.bump().span;
                let index = enclosed(p);
                let height = height.max(p.height);
                p.close(TokenKind::RightBracket, opening);
                base = p.node(ExprKind::Index(Box::new(base), Box::new(index)), p.since(start), height);
            }
            kind @ (TokenKind::PlusPlus | TokenKind::MinusMinus) => {
                p.bump();
                base = step(p, base, kind == TokenKind::PlusPlus, false, start);
            }
            _ => return base,
        }
    }
}

/// The name behind `.`, or the number of a tuple's field.
fn field_name(p: &mut Parser) -> Option<Name> {
    let token = p.peek();
    let text = p.text(token.span);
    match token.kind {
        TokenKind::Ident => {}
        TokenKind::Integer if text.bytes().all(|b| b.is_ascii_digit()) => {}
        _ => {
            p.expected("the name of a field");
            return None;
        }
    }
    p.bump();
    Some(Name { text: text.to_owned(), span: token.span })
}

/// What has no operators outside of brackets.
fn primary(p: &mut Parser) -> Expr {
    let token = p.peek();
    let text = p.text(token.span);
    match token.kind {
        TokenKind::Integer => {
            p.bump();
            integer(p, text, token.span)
        }
        TokenKind::String => {
            let bytes = string(p);
            p.leaf(ExprKind::String(bytes), token.span)
        }
        TokenKind::Variable => {
            p.bump();
            let name = Name { text: text[1..].to_owned(), span: token.span };
            p.leaf(ExprKind::Variable(name), token.span)
        }
        TokenKind::Map => map(p),
        TokenKind::Parameter => {
            p.bump();
            parameter(p, text, token.span)
        }
        TokenKind::LeftParen => parenthesised(p),
        TokenKind::LeftBrace => {
            let in_predicate = std::mem::take(&mut p.in_predicate);
            let block = nested_block(p, Mode::Value);
            p.in_predicate = in_predicate;
            p.node(ExprKind::Block(block), p.since(token.span), p.height)
        }
        TokenKind::Ident => word(p, text, token.span),
        _ => {
            p.expected("an expression");
            p.bad(token.span)
        }
    }
}

fn integer(p: &mut Parser, text: &str, span: Span) -> Expr {
    match literal::integer(text, span) {
        Ok(integer) => {
            let expr = p.leaf(ExprKind::Integer(integer.value), span);
            if !integer.unsigned {
                return expr;
            }
            let ty = TypeName { base: "uint64".to_owned(), pointers: 0, dimensions: Vec::new(), span };
            p.node(ExprKind::Cast(ty, Box::new(expr)), span, 1)
        }
        Err(complaint) => {
            p.report(complaint);
            p.bad(span)
        }
    }
}

/// A string token, which is next.
pub(super) fn string(p: &mut Parser) -> Vec<u8> {
    let span = p.bump().span;
    let mut complaints = Vec::new();
    let bytes = literal::string(p.text(span), span, &mut complaints);
    for complaint in complaints {
        if complaint.slug == "unterminated-string" {
            // What is missing behind the string is missing because the string has taken it.
            p.complained_at = Some(p.peek().span.start);
            p.swallowed = true;
        }
        p.report(complaint);
    }
    bytes
}

/// `$1`, `$#`.
fn parameter(p: &mut Parser, text: &str, span: Span) -> Expr {
    let number = match &text[1..] {
        "#" => Some(0),
        digits => digits.parse::<u32>().ok().filter(|number| *number > 0),
    };
    match number {
        Some(number) => p.leaf(ExprKind::Parameter(number), span),
        None => {
            p.report(diagnostics::bad_parameter(span, text));
            p.bad(span)
        }
    }
}

/// `@`, `@m`, `@m[key, key]`.
fn map(p: &mut Parser) -> Expr {
    let span = p.bump().span;
    let name = Name { text: p.text(span)[1..].to_owned(), span };
    if !p.at(TokenKind::LeftBracket) {
        return p.leaf(ExprKind::Map { name, keys: Vec::new() }, span);
    }
    let opening = p.bump().span;
    let (keys, height) = list(p);
    p.close(TokenKind::RightBracket, opening);
    p.node(ExprKind::Map { name, keys }, p.since(span), height)
}

/// Expressions with commas between, at least one; and the height of the highest.
fn list(p: &mut Parser) -> (Vec<Expr>, u32) {
    let mut list = Vec::new();
    let mut height = 0;
    loop {
        list.push(enclosed(p));
        height = height.max(p.height);
        if !p.eat(TokenKind::Comma) {
            return (list, height);
        }
    }
}

/// Names, calls, and the words that have a grammar of their own.
fn word(p: &mut Parser, text: &str, span: Span) -> Expr {
    let called = p.nth(1).kind == TokenKind::LeftParen;
    match text {
        "true" | "false" => {
            p.bump();
            p.leaf(ExprKind::Bool(text == "true"), span)
        }
        "if" => if_else(p),
        // Says that the value is to be known when the script is compiled; it changes no value.
        "comptime" => {
            p.bump();
            p.nested_expr(unary)
        }
        "sizeof" if called => sizeof(p),
        "offsetof"
            if called
                && matches!(type_name::type_tokens(p, 2), Some((at, _)) if p.nth(at).kind == TokenKind::Comma) =>
        {
            offsetof(p)
        }
        _ if RESERVED.contains(&text) => {
            p.expected("an expression");
            p.bad(span)
        }
        _ if called => call(p),
        _ => {
            p.bump();
            p.leaf(ExprKind::Ident(Name { text: text.to_owned(), span }), span)
        }
    }
}

/// `name(arguments)`.
fn call(p: &mut Parser) -> Expr {
    let span = p.bump().span;
    let name = Name { text: p.text(span).to_owned(), span };
    let opening = p.bump().span;
    let (arguments, height) = if p.at(TokenKind::RightParen) { (Vec::new(), 0) } else { list(p) };
    p.close(TokenKind::RightParen, opening);
    p.node(ExprKind::Call { name, arguments }, p.since(span), height)
}

/// `sizeof(type)` or `sizeof(expression)`.
fn sizeof(p: &mut Parser) -> Expr {
    let start = p.peek().span;
    p.bump();
    if !type_name::at_type_in_parentheses(p) {
        p.seek(start.start as usize);
        return call(p);
    }
    let opening = p.bump().span;
    let ty = type_name::type_name(p);
    p.close(TokenKind::RightParen, opening);
    match ty {
        Some(ty) => p.leaf(ExprKind::SizeofType(ty), p.since(start)),
        None => p.bad(p.since(start)),
    }
}

/// `offsetof(type, field.field)`.
fn offsetof(p: &mut Parser) -> Expr {
    let start = p.bump().span;
    let opening = p.bump().span;
    let ty = type_name::type_name(p);
    p.expect(TokenKind::Comma);
    let mut fields = Vec::new();
    while let Some(field) = type_name::name(p, "the name of a field") {
        fields.push(field);
        if !p.eat(TokenKind::Dot) {
            break;
        }
    }
    p.close(TokenKind::RightParen, opening);
    match ty {
        Some(ty) if !fields.is_empty() => p.leaf(ExprKind::Offsetof(ty, fields), p.since(start)),
        _ => p.bad(p.since(start)),
    }
}

/// `(x)`, `(a, b)`, `(a,)`, `(a = 1, b = 2)`.
fn parenthesised(p: &mut Parser) -> Expr {
    let opening = p.bump().span;
    if p.at(TokenKind::Ident) && p.nth(1).kind == TokenKind::Assign {
        return record(p, opening);
    }
    let first = enclosed(p);
    let mut height = p.height;
    if !p.at(TokenKind::Comma) {
        p.close(TokenKind::RightParen, opening);
        p.height = height;
        return Expr { kind: first.kind, span: p.since(opening) };
    }
    let mut values = vec![first];
    while p.eat(TokenKind::Comma) && !p.at(TokenKind::RightParen) {
        values.push(enclosed(p));
        height = height.max(p.height);
    }
    p.close(TokenKind::RightParen, opening);
    p.node(ExprKind::Tuple(values), p.since(opening), height)
}

/// `(a = 1, b = 2)` behind its parenthesis.
fn record(p: &mut Parser, opening: Span) -> Expr {
    let mut fields = Vec::new();
    let mut height = 0;
    while let Some(name) = type_name::name(p, "the name of a field") {
        p.expect(TokenKind::Assign);
        fields.push((name, enclosed(p)));
        height = height.max(p.height);
        if !p.eat(TokenKind::Comma) || p.at(TokenKind::RightParen) {
            break;
        }
    }
    p.close(TokenKind::RightParen, opening);
    p.node(ExprKind::Record(fields), p.since(opening), height)
}

/// `if condition { value } else { value }`.
fn if_else(p: &mut Parser) -> Expr {
    let start = p.bump().span;
    let in_predicate = std::mem::take(&mut p.in_predicate);
    p.eat_word("comptime");
    let condition = expression(p);
    let mut height = p.height;
    let then = nested_block(p, Mode::Value);
    height = height.max(p.height);
    let otherwise = if !p.eat_word("else") {
        p.expected("`else`: an `if` that is a value has both branches");
        Block::default()
    } else if p.at_word("if") {
        let next = p.peek().span;
        let inner = match p.nested(if_else) {
            Some(inner) => inner,
            None => {
                p.skip_branches();
                p.bad(next)
            }
        };
        let span = inner.span;
        Block { statements: Vec::new(), value: Some(Box::new(inner)), span }
    } else {
        nested_block(p, Mode::Value)
    };
    height = height.max(p.height);
    p.in_predicate = in_predicate;
    let kind = ExprKind::If { condition: Box::new(condition), then, otherwise };
    p.node(kind, p.since(start), height)
}
