//! A tree as source text again, in one canonical layout.
//!
//! Parsing what is printed gives the same tree, places aside.
//! Parentheses stand only where precedence needs them; comments and the spelling of numbers are gone.

use std::fmt::Write;

use crate::ast::*;
use crate::parser::precedence;

/// How closely an operator with one operand binds; two operands bind less, see [`precedence`].
const UNARY: u32 = 11;
/// How closely a field or an element binds.
const POSTFIX: u32 = 12;

/// The text of a whole script.
pub fn script(script: &Script) -> String {
    let mut p = Printer { out: String::new(), indent: 0 };
    if !script.config.is_empty() {
        p.out.push_str("config = {\n");
        for (name, value) in &script.config {
            p.put(format_args!("    {} = ", name.text));
            p.expr(value, 0);
            p.out.push_str(";\n");
        }
        p.out.push_str("}\n");
    }
    for (file, _) in &script.imports {
        p.out.push_str("import ");
        p.string(file.as_bytes());
        p.out.push_str(";\n");
    }
    for definition in &script.definitions {
        p.definition(definition);
    }
    for map in &script.maps {
        p.put(format_args!("let @{} = {}(", map.name.text, map.kind.text));
        p.expr(&map.size, 0);
        p.out.push_str(");\n");
    }
    for function in &script.functions {
        p.function(function);
    }
    for block in &script.blocks {
        p.probe(block);
    }
    p.out
}

/// The text of one expression.
pub fn expr(expr: &Expr) -> String {
    let mut p = Printer { out: String::new(), indent: 0 };
    p.expr(expr, 0);
    p.out
}

/// The text of an operator with two operands.
pub fn binary_op(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Mod => "%",
        BinaryOp::BitAnd => "&",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::Shl => "<<",
        BinaryOp::Shr => ">>",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "&&",
        BinaryOp::Or => "||",
    }
}

/// The text of an operator with one operand.
pub fn unary_op(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "-",
        UnaryOp::Not => "!",
        UnaryOp::BitNot => "~",
        UnaryOp::Deref => "*",
        UnaryOp::AddressOf => "&",
    }
}

/// The text of a type.
pub fn type_name(ty: &TypeName) -> String {
    let blank = if ty.pointers > 0 { " " } else { "" };
    format!("{}{blank}{}{}", ty.base, "*".repeat(ty.pointers as usize), dimensions(ty))
}

fn dimensions(ty: &TypeName) -> String {
    ty.dimensions.iter().map(|d| d.map_or("[]".to_owned(), |n| format!("[{n}]"))).collect()
}

struct Printer {
    out: String,
    /// Levels of blocks around.
    indent: usize,
}

impl Printer {
    fn put(&mut self, text: std::fmt::Arguments) {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("    ", self.indent));
    }

    fn definition(&mut self, definition: &Definition) {
        match definition {
            Definition::Aggregate { name, union, fields } => {
                self.put(format_args!("{} {} {{\n", if *union { "union" } else { "struct" }, name.text));
                for field in fields {
                    let stars = "*".repeat(field.ty.pointers as usize);
                    let shape = dimensions(&field.ty);
                    self.put(format_args!("    {} {stars}{}{shape}", field.ty.base, field.name.text));
                    if let Some(bits) = field.bits {
                        self.put(format_args!(" : {bits}"));
                    }
                    self.out.push_str(";\n");
                }
                self.out.push_str("};\n");
            }
            Definition::Enum { name, constants } => {
                self.out.push_str("enum ");
                if let Some(name) = name {
                    self.put(format_args!("{} ", name.text));
                }
                self.out.push_str("{\n");
                for (name, value) in constants {
                    self.put(format_args!("    {}", name.text));
                    if let Some(value) = value {
                        self.out.push_str(" = ");
                        self.expr(value, 0);
                    }
                    self.out.push_str(",\n");
                }
                self.out.push_str("};\n");
            }
            Definition::Define { name, value } => {
                self.put(format_args!("#define {} ", name.text));
                let start = self.out.len();
                self.expr(value, 0);
                // A block inside has several lines; the directive must go on over all of them.
                let joined = self.out.split_off(start).replace('\n', "\\\n");
                self.out.push_str(&joined);
                self.out.push('\n');
            }
        }
    }

    fn function(&mut self, function: &Function) {
        self.put(format_args!("{} {}(", if function.is_macro { "macro" } else { "fn" }, function.name.text));
        for (i, parameter) in function.parameters.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            let sigil = match parameter.kind {
                ParameterKind::Variable => "$",
                ParameterKind::Map => "@",
                ParameterKind::Expr => "",
            };
            self.put(format_args!("{comma}{sigil}{}", parameter.name.text));
            if let Some(ty) = &parameter.ty {
                self.put(format_args!(": {}", type_name(ty)));
            }
        }
        self.out.push(')');
        if let Some(ty) = &function.returns {
            self.put(format_args!(": {}", type_name(ty)));
        }
        self.out.push(' ');
        self.block(&function.body);
        self.out.push('\n');
    }

    fn probe(&mut self, probe: &ProbeBlock) {
        for (i, point) in probe.points.iter().enumerate() {
            self.put(format_args!("{}{}", if i > 0 { ",\n" } else { "" }, point.text));
            // A backslash at the end belongs to the line break behind it, and would take what else came next.
            if point.text.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1 {
                self.out.push('\n');
            }
        }
        if let Some(predicate) = &probe.predicate {
            self.out.push_str("\n/ ");
            self.expr(predicate, 0);
            self.out.push_str(" /\n");
        } else {
            self.out.push(' ');
        }
        self.block(&probe.body);
        self.out.push('\n');
    }

    fn block(&mut self, block: &Block) {
        if block.statements.is_empty() && block.value.is_none() {
            self.out.push_str("{ }");
            return;
        }
        self.out.push('{');
        self.indent += 1;
        for statement in &block.statements {
            self.new_line();
            self.statement(&statement.kind);
        }
        if let Some(value) = &block.value {
            self.new_line();
            self.expr(value, 0);
        } else if block.statements.last().is_some_and(|s| could_be_value(&s.kind)) {
            // Without it, the last statement of a block that is a value would be that value.
            self.out.push(';');
        }
        self.indent -= 1;
        self.new_line();
        self.out.push('}');
    }

    fn statement(&mut self, statement: &StatementKind) {
        match statement {
            StatementKind::Expr(expr) => self.expr(expr, 0),
            StatementKind::Assign { target, op, value } => {
                self.expr(target, 0);
                self.put(format_args!(" {}= ", op.map_or("", binary_op)));
                self.expr(value, 0);
            }
            StatementKind::Let { name, ty, value } => {
                self.put(format_args!("let ${}", name.text));
                if let Some(ty) = ty {
                    self.put(format_args!(": {}", type_name(ty)));
                }
                if let Some(value) = value {
                    self.out.push_str(" = ");
                    self.expr(value, 0);
                }
            }
            StatementKind::If { condition, then, otherwise } => {
                self.if_else(condition, then, otherwise.as_ref());
                return;
            }
            StatementKind::While { condition, body } => {
                self.out.push_str("while (");
                self.expr(condition, 0);
                self.out.push_str(") ");
                self.block(body);
                return;
            }
            StatementKind::ForRange { name, start, end, body } => {
                self.put(format_args!("for (${} : ", name.text));
                self.expr(start, 0);
                self.out.push_str("..");
                self.expr(end, 0);
                self.out.push_str(") ");
                self.block(body);
                return;
            }
            StatementKind::ForMap { name, map, body } => {
                self.put(format_args!("for (${} : @{}) ", name.text, map.text));
                self.block(body);
                return;
            }
            StatementKind::Unroll { count, body } => {
                self.out.push_str("unroll (");
                self.expr(count, 0);
                self.out.push_str(") ");
                self.block(body);
                return;
            }
            StatementKind::Block(block) => {
                self.block(block);
                return;
            }
            StatementKind::Break => self.out.push_str("break"),
            StatementKind::Continue => self.out.push_str("continue"),
            StatementKind::Return(value) => {
                self.out.push_str("return");
                if let Some(value) = value {
                    self.out.push(' ');
                    self.expr(value, 0);
                }
            }
        }
        self.out.push(';');
    }

    fn if_else(&mut self, condition: &Expr, then: &Block, otherwise: Option<&Block>) {
        self.out.push_str("if (");
        self.expr(condition, 0);
        self.out.push_str(") ");
        self.block(then);
        let Some(otherwise) = otherwise else { return };
        self.out.push_str(" else ");
        match (&otherwise.statements[..], otherwise.value.as_deref()) {
            ([Statement { kind: StatementKind::If { condition, then, otherwise }, .. }], None) => {
                self.if_else(condition, then, otherwise.as_ref());
            }
            ([], Some(Expr { kind: ExprKind::If { condition, then, otherwise }, .. })) => {
                self.if_else(condition, then, Some(otherwise));
            }
            _ => self.block(otherwise),
        }
    }

    fn list(&mut self, expressions: &[Expr]) {
        for (i, expr) in expressions.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            self.expr(expr, 0);
        }
    }

    /// An expression where only what binds at least as closely as `least` may stand bare.
    fn expr(&mut self, expr: &Expr, least: u32) {
        let binds = match &expr.kind {
            // What begins with a brace or `if` could be taken for a statement.
            ExprKind::Ternary(..) | ExprKind::Block(_) | ExprKind::If { .. } => 0,
            ExprKind::Binary(op, ..) => precedence(*op),
            ExprKind::Unary(..) | ExprKind::Cast(..) | ExprKind::Step { prefix: true, .. } => UNARY,
            _ => POSTFIX,
        };
        let bare = binds >= least && !matches!(expr.kind, ExprKind::Block(_) | ExprKind::If { .. });
        if bare {
            return self.bare(expr);
        }
        self.out.push('(');
        self.bare(expr);
        self.out.push(')');
    }

    fn bare(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Integer(value) => self.put(format_args!("{value}")),
            ExprKind::String(bytes) => self.string(bytes),
            ExprKind::Bool(value) => self.put(format_args!("{value}")),
            ExprKind::Variable(name) => self.put(format_args!("${}", name.text)),
            ExprKind::Map { name, keys } => {
                self.put(format_args!("@{}", name.text));
                if !keys.is_empty() {
                    self.out.push('[');
                    self.list(keys);
                    self.out.push(']');
                }
            }
            ExprKind::Parameter(0) => self.out.push_str("$#"),
            ExprKind::Parameter(number) => self.put(format_args!("${number}")),
            ExprKind::Ident(name) => self.out.push_str(&name.text),
            ExprKind::Call { name, arguments } => {
                self.put(format_args!("{}(", name.text));
                self.list(arguments);
                self.out.push(')');
            }
            ExprKind::SizeofType(ty) => self.put(format_args!("sizeof({})", type_name(ty))),
            ExprKind::Offsetof(ty, fields) => {
                let fields: Vec<&str> = fields.iter().map(|f| f.text.as_str()).collect();
                self.put(format_args!("offsetof({}, {})", type_name(ty), fields.join(".")));
            }
            ExprKind::Unary(op, operand) => {
                self.out.push_str(unary_op(*op));
                // `--x` would be a decrement, `&&x` an operator.
                let doubled = match &operand.kind {
                    ExprKind::Unary(inner, _) => {
                        inner == op && matches!(op, UnaryOp::Neg | UnaryOp::AddressOf)
                    }
                    ExprKind::Step { prefix: true, increment, .. } => !increment && *op == UnaryOp::Neg,
                    _ => false,
                };
                self.expr(operand, if doubled { u32::MAX } else { UNARY });
            }
            ExprKind::Step { target, increment, prefix } => {
                let op = if *increment { "++" } else { "--" };
                if *prefix {
                    self.out.push_str(op);
                    self.expr(target, UNARY);
                } else {
                    self.expr(target, POSTFIX);
                    self.out.push_str(op);
                }
            }
            ExprKind::Binary(op, left, right) => {
                self.expr(left, precedence(*op));
                self.put(format_args!(" {} ", binary_op(*op)));
                self.expr(right, precedence(*op) + 1);
            }
            ExprKind::Ternary(condition, then, otherwise) => {
                self.expr(condition, 1);
                self.out.push_str(" ? ");
                self.expr(then, 0);
                self.out.push_str(" : ");
                self.expr(otherwise, 0);
            }
            ExprKind::Cast(ty, operand) => {
                self.put(format_args!("({})", type_name(ty)));
                // `(x) - 1` is a difference where `x` is not certainly a type.
                let sign = matches!(operand.kind, ExprKind::Unary(..) | ExprKind::Step { prefix: true, .. });
                self.expr(operand, if sign { u32::MAX } else { UNARY });
            }
            ExprKind::Field { base, field, arrow } => {
                self.expr(base, POSTFIX);
                self.put(format_args!("{}{}", if *arrow { "->" } else { "." }, field.text));
            }
            ExprKind::Index(base, index) => {
                // `@m[1]` is an element of the map; an element of what the map holds needs parentheses.
                let map = matches!(&base.kind, ExprKind::Map { keys, .. } if keys.is_empty());
                self.expr(base, if map { u32::MAX } else { POSTFIX });
                self.out.push('[');
                self.expr(index, 0);
                self.out.push(']');
            }
            ExprKind::Tuple(values) => {
                self.out.push('(');
                self.list(values);
                self.out.push_str(if values.len() == 1 { ",)" } else { ")" });
            }
            ExprKind::Record(fields) => {
                self.out.push('(');
                for (i, (name, value)) in fields.iter().enumerate() {
                    self.put(format_args!("{}{} = ", if i > 0 { ", " } else { "" }, name.text));
                    self.expr(value, 0);
                }
                self.out.push(')');
            }
            ExprKind::Block(block) => self.block(block),
            ExprKind::If { condition, then, otherwise } => self.if_else(condition, then, Some(otherwise)),
            ExprKind::Bad => self.out.push_str("<error>"),
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        self.out.push('"');
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' => self.out.push_str("\\\""),
                    '\\' => self.out.push_str("\\\\"),
                    '\n' => self.out.push_str("\\n"),
                    '\t' => self.out.push_str("\\t"),
                    '\r' => self.out.push_str("\\r"),
                    c if c.is_ascii_control() => self.put(format_args!("\\x{:02x}", c as u32)),
                    c => self.out.push(c),
                }
            }
            for byte in chunk.invalid() {
                self.put(format_args!("\\x{byte:02x}"));
            }
        }
        self.out.push('"');
    }
}

/// Whether a statement at the end of a block that is a value would be taken for the value.
fn could_be_value(statement: &StatementKind) -> bool {
    matches!(statement, StatementKind::If { otherwise: Some(_), .. } | StatementKind::Block(_))
}
