//! A tree as one compact text for tests: nested lists, without places.

use std::fmt::Write;

use stapes_script::ast::*;
use stapes_script::print;

/// A whole script: one line for what stands outside of blocks, statements indented.
pub(crate) fn script(script: &Script) -> String {
    let mut out = String::new();
    for (name, value) in &script.config {
        let _ = writeln!(out, "(config {} {})", name.text, expr(value));
    }
    for (file, _) in &script.imports {
        let _ = writeln!(out, "(import {file})");
    }
    for definition in &script.definitions {
        match definition {
            Definition::Aggregate { name, union, fields } => {
                let fields: Vec<String> = fields.iter().map(field).collect();
                let word = if *union { "union" } else { "struct" };
                let _ = writeln!(out, "({word} {} {})", name.text, fields.join(" "));
            }
            Definition::Enum { name, constants } => {
                let _ = write!(out, "(enum {}", name.as_ref().map_or("_", |n| &n.text));
                for (name, value) in constants {
                    let _ = match value {
                        Some(value) => write!(out, " ({} {})", name.text, expr(value)),
                        None => write!(out, " {}", name.text),
                    };
                }
                out.push_str(")\n");
            }
            Definition::Define { name, value } => {
                let _ = writeln!(out, "(define {} {})", name.text, expr(value));
            }
        }
    }
    for map in &script.maps {
        let _ = writeln!(out, "(map @{} {} {})", map.name.text, map.kind.text, expr(&map.size));
    }
    for function in &script.functions {
        let word = if function.is_macro { "macro" } else { "fn" };
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|p| {
                let sigil = match p.kind {
                    ParameterKind::Variable => "$",
                    ParameterKind::Map => "@",
                    ParameterKind::Expr => "",
                };
                let ty = p.ty.as_ref().map(|t| format!(":{}", ty(t))).unwrap_or_default();
                format!("{sigil}{}{ty}", p.name.text)
            })
            .collect();
        let returns = function.returns.as_ref().map(|t| format!(" -> {}", ty(t))).unwrap_or_default();
        let _ = write!(out, "({word} {} ({}){returns}", function.name.text, parameters.join(" "));
        block(&mut out, &function.body, 1);
        out.push_str(")\n");
    }
    for probe in &script.blocks {
        out.push_str("(probe");
        for point in &probe.points {
            let _ = write!(out, "\n  {:?}", point.kind);
        }
        if let Some(predicate) = &probe.predicate {
            let _ = write!(out, "\n  / {} /", expr(predicate));
        }
        block(&mut out, &probe.body, 1);
        out.push_str(")\n");
    }
    out
}

fn block(out: &mut String, block: &Block, indent: usize) {
    for s in &block.statements {
        let _ = write!(out, "\n{}", "  ".repeat(indent));
        statement(out, &s.kind, indent);
    }
    if let Some(value) = &block.value {
        let _ = write!(out, "\n{}=> {}", "  ".repeat(indent), expr(value));
    }
}

fn statement(out: &mut String, kind: &StatementKind, indent: usize) {
    let head = match kind {
        StatementKind::Expr(e) => format!("{};", expr(e)),
        StatementKind::Assign { target, op, value } => {
            format!("({}= {} {})", op.map_or("", print::binary_op), expr(target), expr(value))
        }
        StatementKind::Let { name, ty: t, value } => {
            let t = t.as_ref().map(|t| format!(" :{}", ty(t))).unwrap_or_default();
            let value = value.as_ref().map(|v| format!(" {}", expr(v))).unwrap_or_default();
            format!("(let ${}{t}{value})", name.text)
        }
        StatementKind::If { condition, .. } => format!("(if {}", expr(condition)),
        StatementKind::While { condition, .. } => format!("(while {}", expr(condition)),
        StatementKind::ForRange { name, start, end, .. } => {
            format!("(for ${} {}..{}", name.text, expr(start), expr(end))
        }
        StatementKind::ForMap { name, map, .. } => format!("(for ${} @{}", name.text, map.text),
        StatementKind::Unroll { count, .. } => format!("(unroll {}", expr(count)),
        StatementKind::Block(_) => "(block".to_owned(),
        StatementKind::Break => "break".to_owned(),
        StatementKind::Continue => "continue".to_owned(),
        StatementKind::Return(value) => {
            format!("(return{})", value.as_ref().map(|v| format!(" {}", expr(v))).unwrap_or_default())
        }
    };
    out.push_str(&head);
    match kind {
        StatementKind::If { then, otherwise, .. } => {
            block(out, then, indent + 1);
            if let Some(otherwise) = otherwise {
                let _ = write!(out, "\n{}else", "  ".repeat(indent));
                block(out, otherwise, indent + 1);
            }
            out.push(')');
        }
        StatementKind::While { body, .. }
        | StatementKind::ForRange { body, .. }
        | StatementKind::ForMap { body, .. }
        | StatementKind::Unroll { body, .. }
        | StatementKind::Block(body) => {
            block(out, body, indent + 1);
            out.push(')');
        }
        _ => {}
    }
}

fn field(field: &Field) -> String {
    let bits = field.bits.map(|b| format!(":{b}")).unwrap_or_default();
    format!("({} {}{bits})", field.name.text, ty(&field.ty))
}

fn ty(ty: &TypeName) -> String {
    print::type_name(ty).replace(' ', "_")
}

/// An expression: `1 + 2 * 3` is `(+ 1 (* 2 3))`.
pub(crate) fn expr(e: &Expr) -> String {
    let list = |list: &[Expr]| list.iter().map(expr).collect::<Vec<_>>().join(" ");
    match &e.kind {
        ExprKind::Integer(value) => value.to_string(),
        ExprKind::String(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Variable(name) => format!("${}", name.text),
        ExprKind::Map { name, keys } if keys.is_empty() => format!("@{}", name.text),
        ExprKind::Map { name, keys } => format!("@{}[{}]", name.text, list(keys)),
        ExprKind::Parameter(number) => format!("${number}"),
        ExprKind::Ident(name) => name.text.clone(),
        ExprKind::Call { name, arguments } if arguments.is_empty() => format!("({}())", name.text),
        ExprKind::Call { name, arguments } => format!("({}() {})", name.text, list(arguments)),
        ExprKind::SizeofType(t) => format!("(sizeof {})", ty(t)),
        ExprKind::Offsetof(t, fields) => {
            let fields: Vec<&str> = fields.iter().map(|f| f.text.as_str()).collect();
            format!("(offsetof {} {})", ty(t), fields.join("."))
        }
        ExprKind::Unary(op, operand) => format!("({} {})", print::unary_op(*op), expr(operand)),
        ExprKind::Step { target, increment, prefix } => {
            let op = if *increment { "++" } else { "--" };
            let op = if *prefix { format!("{op}_") } else { format!("_{op}") };
            format!("({op} {})", expr(target))
        }
        ExprKind::Binary(op, left, right) => {
            format!("({} {} {})", print::binary_op(*op), expr(left), expr(right))
        }
        ExprKind::Ternary(c, a, b) => format!("(? {} {} {})", expr(c), expr(a), expr(b)),
        ExprKind::Cast(t, operand) => format!("(cast {} {})", ty(t), expr(operand)),
        ExprKind::Field { base, field, arrow } => {
            format!("({} {} {})", if *arrow { "->" } else { "." }, expr(base), field.text)
        }
        ExprKind::Index(base, index) => format!("([] {} {})", expr(base), expr(index)),
        ExprKind::Tuple(values) => format!("(tuple {})", list(values)),
        ExprKind::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("({} {})", name.text, expr(value))).collect();
            format!("(record {})", fields.join(" "))
        }
        ExprKind::Block(b) => format!("(block{})", inline(b)),
        ExprKind::If { condition, then, otherwise } => {
            format!("(if {} {{{} }} {{{} }})", expr(condition), inline(then), inline(otherwise))
        }
        ExprKind::Bad => "BAD".to_owned(),
    }
}

fn inline(b: &Block) -> String {
    let mut out = String::new();
    block(&mut out, b, 0);
    out.replace('\n', " ")
}
