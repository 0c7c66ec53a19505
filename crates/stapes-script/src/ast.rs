//! The tree of a script, as the parser gives it: every construct of the language, nothing yet checked.
//!
//! Every node knows its place in the source, so that each later complaint can point at it.

mod visit;

use std::collections::BTreeSet;

/// A range of bytes of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The range from the start of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A name with its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The name, without `$` or `@`.
    pub text: String,
    /// Its place, `$` or `@` included.
    pub span: Span,
}

/// A whole script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// `config = { name = value; … }`.
    pub config: Vec<(Name, Expr)>,
    /// `struct`, `union`, `enum` and `#define`, in order.
    pub definitions: Vec<Definition>,
    /// `let @m = lruhash(100);`.
    pub maps: Vec<MapDeclaration>,
    /// `macro` and `fn`.
    pub functions: Vec<Function>,
    /// `import "file"`.
    pub imports: Vec<(String, Span)>,
    /// The probes with their blocks, in order.
    pub blocks: Vec<ProbeBlock>,
}

impl Script {
    /// Every attach point, in order: the order in which a [`Catalog`](crate::catalog::Catalog) answers.
    pub fn attach_points(&self) -> impl Iterator<Item = &AttachPoint> {
        self.blocks.iter().flat_map(|b| &b.points)
    }

    /// Whether the script uses the builtin or function of that name.
    pub fn uses(&self, name: &str) -> bool {
        let mut found = false;
        visit::expressions(self, &mut |expr| {
            found |= match &expr.kind {
                ExprKind::Ident(used) | ExprKind::Call { name: used, .. } => used.text == name,
                _ => false,
            }
        });
        found
    }

    /// The names of the variables of traced programs that the script asks for: `uaddr("name")`.
    pub fn variables(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        visit::expressions(self, &mut |expr| {
            let ExprKind::Call { name, arguments } = &expr.kind else { return };
            if let ("uaddr", [Expr { kind: ExprKind::String(bytes), .. }]) =
                (name.text.as_str(), &arguments[..])
            {
                names.insert(String::from_utf8_lossy(bytes).into_owned());
            }
        });
        names
    }
}

/// A C definition in the script.
#[derive(Clone, Debug, PartialEq)]
pub enum Definition {
    /// `struct` or `union` with its fields.
    Aggregate {
        /// Its tag.
        name: Name,
        /// Whether it is a union.
        union: bool,
        /// Its fields.
        fields: Vec<Field>,
    },
    /// `enum` with its constants.
    Enum {
        /// Its tag, if it has one.
        name: Option<Name>,
        /// Names and values.
        constants: Vec<(Name, Option<Expr>)>,
    },
    /// `#define NAME expression`.
    Define {
        /// The name.
        name: Name,
        /// What it stands for.
        value: Expr,
    },
}

/// A field of a struct or union.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: TypeName,
    /// Bits, of a bit-field.
    pub bits: Option<u32>,
}

/// A type as the script writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeName {
    /// The base: `uint64`, `int`, `struct x`, `string`, `unsigned long`, …: words with one blank between, without `const`.
    pub base: String,
    /// How many `*` follow.
    pub pointers: u32,
    /// The dimensions `[N]…`; `string[64]` and `buf[16]` have their size here.
    pub dimensions: Vec<Option<u32>>,
    /// Its place.
    pub span: Span,
}

/// `let @name = kind(size);`
#[derive(Clone, Debug, PartialEq)]
pub struct MapDeclaration {
    /// The map.
    pub name: Name,
    /// `hash`, `lruhash`, `percpuhash`, `percpulruhash`, `percpuarray`.
    pub kind: Name,
    /// How many keys.
    pub size: Expr,
}

/// A `macro` or `fn`.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Whether it is a macro.
    pub is_macro: bool,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The type that a `fn` returns.
    pub returns: Option<TypeName>,
    /// Its body.
    pub body: Block,
}

/// A parameter of a macro or function.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// What may be given for it.
    pub kind: ParameterKind,
    /// Its name.
    pub name: Name,
    /// Its type, which only a `fn` has.
    pub ty: Option<TypeName>,
}

/// What may be given for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// `$x`: a variable; in a macro it is the caller's own, not a copy.
    Variable,
    /// `@m`: a map, of macros only.
    Map,
    /// `x`: an expression, evaluated where the name stands; of macros only.
    Expr,
}

/// Attach points, a predicate and a block.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeBlock {
    /// The attach points, separated by commas in the source.
    pub points: Vec<AttachPoint>,
    /// `/ expression /`.
    pub predicate: Option<Expr>,
    /// The body.
    pub body: Block,
}

/// One attach point, such as `usdt:/usr/bin/x:provider:name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttachPoint {
    /// The text as written, without surrounding blanks.
    pub text: String,
    /// What it asks for.
    pub kind: AttachKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of attach points.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttachKind {
    /// `BEGIN`.
    Begin,
    /// `END`.
    End,
    /// `interval:s:1`, in nanoseconds.
    Interval(u64),
    /// `profile:hz:99`: nanoseconds between samples.
    Profile(u64),
    /// `usdt:PATH:PROVIDER:NAME`. Every part may have `*`, `?` and `[…]`; an empty path means the session's processes.
    Usdt {
        /// The file, or empty.
        path: String,
        /// The provider; `*` where it was left out.
        provider: String,
        /// The name.
        name: String,
    },
    /// `uprobe:PATH:FUNCTION+OFFSET`, `uprobe:PATH:0xADDRESS`, and `uretprobe` likewise.
    Uprobe {
        /// The file, or empty.
        path: String,
        /// The function, perhaps with `*`; empty where an address is given.
        function: String,
        /// Whether the function is a C++ name as `c++filt` prints it: `uprobe:PATH:cpp:"ns::f(int)"`.
        demangled: bool,
        /// Bytes to add to the function's start, or the address.
        offset: u64,
        /// Whether it is the return that is probed.
        ret: bool,
    },
    /// `tracepoint:CATEGORY:NAME`.
    Tracepoint {
        /// The category.
        category: String,
        /// The name.
        name: String,
    },
    /// `software:EVENT:COUNT`.
    Software {
        /// The event.
        event: String,
        /// After how many events it fires; 0 where that was left out.
        count: u64,
    },
    /// `self:signal:NAME`.
    Signal(String),
    /// A kind that exists in bpftrace and is not for user-space programs: `kprobe`, `fentry`, ….
    Kernel(String),
    /// What the parser could not make sense of; it has complained.
    Bad,
}

/// Statements in braces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The statements.
    pub statements: Vec<Statement>,
    /// The value, where a block is an expression and its last part has no `;`.
    pub value: Option<Box<Expr>>,
    /// Its place.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    /// An expression for its effect.
    Expr(Expr),
    /// `target = value`, `target += value`; also `let $x: type = value`.
    Assign {
        /// A variable or map element; or a field or `*pointer`, which later passes refuse.
        target: Expr,
        /// The operator of a compound assignment.
        op: Option<BinaryOp>,
        /// The value.
        value: Expr,
    },
    /// `let $x`, `let $x: uint64 = 1`.
    Let {
        /// The variable.
        name: Name,
        /// Its type, if given.
        ty: Option<TypeName>,
        /// Its first value, if given.
        value: Option<Expr>,
    },
    /// `if (condition) … else …`; `else if` is an `if` alone in the `else` block.
    If {
        /// The condition.
        condition: Expr,
        /// Taken when it is not zero.
        then: Block,
        /// Taken otherwise.
        otherwise: Option<Block>,
    },
    /// `while (condition) …`.
    While {
        /// The condition.
        condition: Expr,
        /// The body.
        body: Block,
    },
    /// `for ($x : start..end) …`.
    ForRange {
        /// The variable.
        name: Name,
        /// The first value.
        start: Expr,
        /// Behind the last value.
        end: Expr,
        /// The body.
        body: Block,
    },
    /// `for ($kv : @map) …`.
    ForMap {
        /// The variable.
        name: Name,
        /// The map.
        map: Name,
        /// The body.
        body: Block,
    },
    /// `unroll (count) …`.
    Unroll {
        /// How many times.
        count: Expr,
        /// The body.
        body: Block,
    },
    /// A block by itself.
    Block(Block),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `return`, perhaps with a value.
    Return(Option<Expr>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// An integer; with units and exponents resolved. Negative numbers are `Neg` of a positive one.
    /// `5u` is a cast of 5 to `uint64`.
    Integer(u64),
    /// A string, escapes resolved. Not always UTF-8.
    String(Vec<u8>),
    /// `true` or `false`.
    Bool(bool),
    /// `$x`.
    Variable(Name),
    /// `@m` or `@m[a, b]`; the keys are empty for a map without.
    Map {
        /// The map; empty for the anonymous `@`.
        name: Name,
        /// The keys.
        keys: Vec<Expr>,
    },
    /// `$1`, or `$#` as 0.
    Parameter(u32),
    /// A bare name: a builtin (`pid`, `arg0`), an enum constant or a `#define`.
    Ident(Name),
    /// `name(arguments)`.
    Call {
        /// The function.
        name: Name,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// `sizeof(type)`; of an expression, or of a bare name that may be either, it is a [`ExprKind::Call`].
    SizeofType(TypeName),
    /// `offsetof(type, field.field…)`; of an expression it is a [`ExprKind::Call`].
    Offsetof(TypeName, Vec<Name>),
    /// `-x`, `!x`, `~x`, `*x`, `&x`.
    Unary(UnaryOp, Box<Expr>),
    /// `x++` and its kin.
    Step {
        /// The variable or map element.
        target: Box<Expr>,
        /// Whether it is `++`.
        increment: bool,
        /// Whether the value is the new one (`++x`).
        prefix: bool,
    },
    /// `a + b`.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `c ? a : b`.
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `(type)x`.
    Cast(TypeName, Box<Expr>),
    /// `x.field`, `x->field`, `x.0`.
    Field {
        /// The whole.
        base: Box<Expr>,
        /// The field's name or the tuple's index.
        field: Name,
        /// Whether it was written `->`.
        arrow: bool,
    },
    /// `x[i]` where `x` is not a bare map.
    Index(Box<Expr>, Box<Expr>),
    /// `(a, b)`.
    Tuple(Vec<Expr>),
    /// `(a = 1, b = 2)`.
    Record(Vec<(Name, Expr)>),
    /// `{ …; value }`.
    Block(Block),
    /// `if (c) { a } else { b }` as a value.
    If {
        /// The condition.
        condition: Box<Expr>,
        /// The value where it is not zero.
        then: Block,
        /// The value otherwise.
        otherwise: Block,
    },
    /// What the parser could not make sense of; it has complained.
    Bad,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`.
    Neg,
    /// `!`.
    Not,
    /// `~`.
    BitNot,
    /// `*`.
    Deref,
    /// `&`.
    AddressOf,
}

/// Operators with two operands, as in C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `*`.
    Mul,
    /// `/`.
    Div,
    /// `%`.
    Mod,
    /// `&`.
    BitAnd,
    /// `|`.
    BitOr,
    /// `^`.
    BitXor,
    /// `<<`.
    Shl,
    /// `>>`.
    Shr,
    /// `==`.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `&&`.
    And,
    /// `||`.
    Or,
}
