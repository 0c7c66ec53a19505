//! Random expressions against C's rules, computed here: with constants, which the compiler folds, and with values that
//! are known only when the program runs.

use super::support::*;

const EACH: usize = 40;
const ROUNDS: usize = 6;

const TYPES: [(&str, u32, bool); 8] = [
    ("int8", 8, true),
    ("uint8", 8, false),
    ("int16", 16, true),
    ("uint16", 16, false),
    ("int32", 32, true),
    ("uint32", 32, false),
    ("int64", 64, true),
    ("uint64", 64, false),
];

const VALUES: [u64; 16] =
    [0, 1, 2, 3, 7, 63, 127, 128, 200, 255, 32768, 65535, 1 << 31, u32::MAX as u64, 1 << 62, i64::MAX as u64];

const OPERATORS: [&str; 18] =
    ["+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "<", "<=", ">", ">=", "==", "!=", "&&", "||"];

enum Expression {
    /// A type by its index, and the value's bits, extended by its sign.
    Leaf(usize, u64),
    Unary(&'static str, Box<Expression>),
    Cast(usize, Box<Expression>),
    Binary(&'static str, Box<Expression>, Box<Expression>),
    Choice(Box<[Expression; 3]>),
}

/// Marsaglia's xorshift: the same expressions in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }

    fn expression(&mut self, depth: usize) -> Expression {
        if depth == 0 || self.below(10) == 0 {
            let (ty, value) = (self.below(TYPES.len()), VALUES[self.below(VALUES.len())]);
            let value = if self.below(5) < 2 { value.wrapping_neg() } else { value };
            return Expression::Leaf(ty, fit(ty, value));
        }
        match self.below(20) {
            0..=14 => {
                let operator = OPERATORS[self.below(OPERATORS.len())];
                Expression::Binary(
                    operator,
                    Box::new(self.expression(depth - 1)),
                    Box::new(self.expression(depth - 1)),
                )
            }
            15 | 16 => {
                Expression::Unary(["-", "~", "!"][self.below(3)], Box::new(self.expression(depth - 1)))
            }
            17 | 18 => Expression::Cast(self.below(TYPES.len()), Box::new(self.expression(depth - 1))),
            _ => Expression::Choice(Box::new([0; 3].map(|_| self.expression(depth - 1)))),
        }
    }
}

/// The bits of `value` as the type has them.
fn fit(ty: usize, value: u64) -> u64 {
    let (_, bits, signed) = TYPES[ty];
    let unused = 64 - bits;
    if signed { ((value << unused) as i64 >> unused) as u64 } else { value << unused >> unused }
}

/// The 64 bits of the value, and whether its type is `uint64`. What is read from a map is of 64 bits.
fn value(expression: &Expression, from_map: bool) -> (u64, bool) {
    match expression {
        Expression::Leaf(ty, value) => (*value, !TYPES[*ty].2 && (from_map || TYPES[*ty].1 == 64)),
        Expression::Unary(operator, of) => {
            let (value, unsigned) = value(of, from_map);
            match *operator {
                "-" => (value.wrapping_neg(), unsigned),
                "~" => (!value, unsigned),
                _ => (u64::from(value == 0), false),
            }
        }
        Expression::Cast(ty, of) => (fit(*ty, value(of, from_map).0), !TYPES[*ty].2 && TYPES[*ty].1 == 64),
        Expression::Choice(parts) => {
            let [condition, yes, no] = parts.each_ref().map(|part| value(part, from_map));
            (if condition.0 != 0 { yes.0 } else { no.0 }, yes.1 || no.1)
        }
        Expression::Binary(operator, left, right) => {
            let ((a, left), (b, right)) = (value(left, from_map), value(right, from_map));
            let unsigned = left || right;
            let order = if unsigned { a.cmp(&b) } else { (a as i64).cmp(&(b as i64)) };
            let truth = |holds| (u64::from(holds), false);
            match *operator {
                "+" => (a.wrapping_add(b), unsigned),
                "-" => (a.wrapping_sub(b), unsigned),
                "*" => (a.wrapping_mul(b), unsigned),
                "/" if b == 0 => (0, unsigned),
                "%" if b == 0 => (a, unsigned),
                "/" if unsigned => (a / b, true),
                "%" if unsigned => (a % b, true),
                "/" => ((a as i64).wrapping_div(b as i64) as u64, false),
                "%" => ((a as i64).wrapping_rem(b as i64) as u64, false),
                "<<" => (a << (b % 64), left),
                ">>" if left => (a >> (b % 64), true),
                ">>" => (((a as i64) >> (b % 64)) as u64, false),
                "&" => (a & b, unsigned),
                "|" => (a | b, unsigned),
                "^" => (a ^ b, unsigned),
                "<" => truth(order.is_lt()),
                "<=" => truth(order.is_le()),
                ">" => truth(order.is_gt()),
                ">=" => truth(order.is_ge()),
                "==" => truth(order.is_eq()),
                "!=" => truth(order.is_ne()),
                "&&" => truth(a != 0 && b != 0),
                _ => truth(a != 0 || b != 0),
            }
        }
    }
}

/// The expression as a script has it; leaves are constants, or elements of maps that `leaves` says are needed.
fn text(expression: &Expression, leaves: &mut Option<Vec<(usize, u64)>>) -> String {
    match expression {
        Expression::Leaf(ty, value) => match leaves {
            Some(leaves) => {
                leaves.push((*ty, *value));
                format!("@{}[{}]", TYPES[*ty].0, leaves.len() - 1)
            }
            None => format!("({})", constant(*ty, *value)),
        },
        Expression::Unary(operator, of) => format!("({operator}({}))", text(of, leaves)),
        Expression::Cast(ty, of) => format!("(({})({}))", TYPES[*ty].0, text(of, leaves)),
        Expression::Choice(parts) => {
            let [condition, yes, no] = parts.each_ref().map(|part| text(part, leaves));
            format!("({condition} ? {yes} : {no})")
        }
        Expression::Binary(operator, a, b) => {
            format!("({} {operator} {})", text(a, leaves), text(b, leaves))
        }
    }
}

fn constant(ty: usize, value: u64) -> String {
    let (name, _, signed) = TYPES[ty];
    if signed { format!("({name}){}", value as i64) } else { format!("({name}){value}") }
}

/// Whether the compiler sees a division by a constant 0 in it, which is an error.
fn divides_by_zero(expression: &Expression) -> bool {
    match expression {
        Expression::Leaf(..) => false,
        Expression::Unary(_, of) | Expression::Cast(_, of) => divides_by_zero(of),
        Expression::Choice(parts) => parts.iter().any(divides_by_zero),
        Expression::Binary(operator, a, b) => {
            let zero = matches!(*operator, "/" | "%") && value(b, false).0 == 0;
            zero || divides_by_zero(a) || divides_by_zero(b)
        }
    }
}

fn check(expressions: &[Expression], from_map: bool) {
    let mut leaves = from_map.then(Vec::new);
    let texts: Vec<String> = expressions.iter().map(|e| text(e, &mut leaves)).collect();
    let prints: String = texts.iter().map(|t| format!("printf(\"%lld\\n\", {t}); ")).collect();
    let leaves = leaves.unwrap_or_default();
    let sets = leaves
        .iter()
        .enumerate()
        .map(|(at, (ty, value))| format!("@{}[{at}] = {}; ", TYPES[*ty].0, constant(*ty, *value)));
    let sets: String = sets.collect();
    let mut used: Vec<&str> = leaves.iter().map(|(ty, _)| TYPES[*ty].0).collect();
    used.sort_unstable();
    used.dedup();
    let clears: String = used.iter().map(|name| format!("clear(@{name}); ")).collect();
    let script = format!("BEGIN {{ {sets} }} BEGIN {{ {prints} exit(); }} END {{ {clears} }}");
    let output = stapes_ok(&["-q", "-e", &script]);
    let lines: Vec<&str> = output.lines().collect();
    for (at, (expression, text)) in expressions.iter().zip(&texts).enumerate() {
        let wanted = (value(expression, from_map).0 as i64).to_string();
        assert_eq!(lines.get(at), Some(&wanted.as_str()), "{text}\n{script}");
    }
}

#[test]
fn integers_compute_by_the_rules_of_c() {
    if !root("integers_compute_by_the_rules_of_c") {
        return;
    }
    let mut random = Random(0x5741_5045_5331);
    for _ in 0..ROUNDS {
        let depths = (0..EACH).map(|at| 1 + at % 3);
        let expressions: Vec<Expression> = depths.map(|depth| random.expression(depth)).collect();
        check(&expressions, true);
        let folded: Vec<Expression> = expressions.into_iter().filter(|e| !divides_by_zero(e)).collect();
        check(&folded, false);
    }
}
