//! What expressions compute, in the kernel: against Rust's arithmetic on 64 bits, and against what bpftrace documents.

use stapes_kernel::{LoadOptions, Loaded};

use super::world::{World, text};
use crate::emit::kernel;

/// Runs the script's BEGIN and gives the value of `@`.
fn run(world: &World, source: &str) -> i64 {
    let (object, _) = world.compile(source).unwrap_or_else(|e| panic!("{}", text(source, &e)));
    let mut loaded =
        Loaded::load(object, &LoadOptions::default()).unwrap_or_else(|e| panic!("{source}: {e}"));
    loaded.run_begin().unwrap();
    let value = loaded.map_named("@").unwrap().get(&0u32.to_ne_bytes()).unwrap().unwrap();
    i64::from_ne_bytes(value[..8].try_into().unwrap())
}

/// A machine with signed division, and one without.
fn worlds() -> [World; 2] {
    let mut old = World::new();
    old.target.bpf_v4 = false;
    [World::new(), old]
}

const NUMBERS: [i64; 7] = [0, 1, -1, 7, -7, 1 << 40, i64::MIN];

type Operation = (&'static str, fn(i64, i64) -> i64);

/// RFC 9669: division by zero gives 0, modulo zero the left operand, shifts use the low 6 bits.
const SIGNED: &[Operation] = &[
    ("+", |a, b| a.wrapping_add(b)),
    ("-", |a, b| a.wrapping_sub(b)),
    ("*", |a, b| a.wrapping_mul(b)),
    ("/", |a, b| if b == 0 { 0 } else { a.wrapping_div(b) }),
    ("%", |a, b| if b == 0 { a } else { a.wrapping_rem(b) }),
    ("&", |a, b| a & b),
    ("|", |a, b| a | b),
    ("^", |a, b| a ^ b),
    ("<<", |a, b| a.wrapping_shl(b as u32)),
    (">>", |a, b| a.wrapping_shr(b as u32)),
    ("<", |a, b| i64::from(a < b)),
    ("<=", |a, b| i64::from(a <= b)),
    (">", |a, b| i64::from(a > b)),
    (">=", |a, b| i64::from(a >= b)),
    ("==", |a, b| i64::from(a == b)),
    ("!=", |a, b| i64::from(a != b)),
    ("&&", |a, b| i64::from(a != 0 && b != 0)),
    ("||", |a, b| i64::from(a != 0 || b != 0)),
];

const UNSIGNED: &[Operation] = &[
    ("/", |a, b| (a as u64).checked_div(b as u64).unwrap_or(0) as i64),
    ("%", |a, b| (a as u64).checked_rem(b as u64).unwrap_or(a as u64) as i64),
    (">>", |a, b| (a as u64).wrapping_shr(b as u32) as i64),
    ("<", |a, b| i64::from((a as u64) < b as u64)),
    (">=", |a, b| i64::from(a as u64 >= b as u64)),
];

fn literal(n: i64) -> String {
    match n {
        i64::MIN => "(-9223372036854775807 - 1)".into(),
        n => format!("({n})"),
    }
}

#[test]
fn arithmetic_is_that_of_64_bits() {
    if !kernel::available("arithmetic_is_that_of_64_bits") {
        return;
    }
    for world in worlds() {
        for (table, cast) in [(SIGNED, "(int64)"), (UNSIGNED, "(uint64)")] {
            for (op, expected) in table {
                check_operation(&world, cast, op, expected);
            }
        }
    }
}

/// All pairs of numbers in one program: with operands that are known when it is compiled, with one of them,
/// and with none. Values of maps are not known.
fn check_operation(world: &World, cast: &str, op: &str, expected: &fn(i64, i64) -> i64) {
    let mut source = String::from("BEGIN { ");
    let mut wanted = Vec::new();
    for (a, b) in NUMBERS.iter().flat_map(|a| NUMBERS.iter().map(move |b| (*a, *b))) {
        let (x, y) = (format!("{cast}{}", literal(a)), format!("{cast}{}", literal(b)));
        source += &format!("@a = {x}; @b = {y}; ");
        let mut forms = vec![format!("@a {op} @b"), format!("{x} {op} @b")];
        if !(matches!(op, "/" | "%") && b == 0) {
            forms.extend([format!("@a {op} {y}"), format!("{x} {op} {y}")]);
        }
        for form in forms {
            source += &format!("@r[{}] = (int64)({form}); ", wanted.len());
            wanted.push((format!("{form} with {x}, {y}"), expected(a, b)));
        }
    }
    source += "}";
    let (object, _) = world.compile(&source).unwrap_or_else(|e| panic!("{}", text(&source, &e)));
    let mut loaded = Loaded::load(object, &LoadOptions::default()).unwrap_or_else(|e| panic!("{op}: {e}"));
    loaded.run_begin().unwrap();
    let results = loaded.map_named("@r").unwrap();
    for (index, (form, wanted)) in wanted.iter().enumerate() {
        let found = results.get(&(index as u64).to_ne_bytes()).unwrap().unwrap();
        assert_eq!(i64::from_ne_bytes(found.try_into().unwrap()), *wanted, "{form}");
    }
}

/// Script, and what `@` is afterwards.
const CASES: &[(&str, i64)] = &[
    // Casts keep the low bits (C17 6.3.1.3).
    ("@ = (uint8)@a;", 0x3f),
    ("@a = 0x1ff; @ = (uint8)@a;", 0xff),
    ("@a = 0x1ff; @ = (int8)@a;", -1),
    ("@a = 0x18000; @ = (int16)@a;", -32768),
    ("@a = -1; @ = (uint32)@a;", 0xffff_ffff),
    ("@a = 5; @ = (bool)@a;", 1),
    ("@ = (uint16)(1 << 16);", 0),
    // Precedence and unary operators (C17 6.5).
    ("@ = 1 + 2 * 3 - 4 / 2 % 3;", 5),
    ("@ = 1 | 2 ^ 3 & 5;", 3),
    ("@ = -@a;", -63),
    ("@ = ~@a;", !63),
    ("@ = !@a + !!@a;", 1),
    ("@ = @a ? 5 : 6;", 5),
    ("@ = 0 ? 5 : @a;", 63),
    // Steps give the old or the new value.
    ("$x = 10; $y = $x--; @ = $x * 100 + $y;", 910),
    ("$x = 10; $y = --$x; @ = $x * 100 + $y;", 909),
    ("@ = 1; $x = @++; @ = @ * 10 + $x;", 21),
    ("@ = 1; $x = ++@; @ = @ * 10 + $x;", 22),
    ("@k[1]++; @k[1]++; $x = @k[1]--; @ = @k[1] * 10 + $x;", 12),
    ("$x = 3; @ = $x + $x++ * 10;", 33),
    // Compound assignment.
    ("@ = 7; @ += 5; @ *= 2; @ -= 4; @ /= 3; @ %= 4;", 2),
    ("@ = 1; @ <<= 4; @ |= 3; @ ^= 1; @ &= 0x1e; @ >>= 1;", 9),
    ("$x = 7; $x += 5; $x *= 2; $x -= 4; $x /= 3; $x %= 4; @ = $x;", 2),
    ("@k[2] = 5; @k[2] += 3; @k[2] -= 1; @k[2] *= 3; @ = @k[2];", 21),
    // Short circuit: the right side is not evaluated.
    ("@ = 0; @ = 0 && @++; @b = 5 || @++;", 0),
    ("@c = 0; @x = (@c == 1) && @c++; @x = (@c == 0) || @c++; @ = @c;", 0),
    // Scopes.
    ("$x = 1; { let $x = 2; $x = 3; } @ = $x;", 1),
    ("let $x; if (1) { $x = 4; } @ = $x;", 4),
    // Loops.
    ("@ = 0; unroll(5) { @ += 2; }", 10),
    ("$s = 0; for ($i : 0..10) { if ($i == 7) { break; } if ($i % 2) { continue; } $s += $i; } @ = $s;", 12),
    ("$s = 0; for ($i : 0..3) { for ($j : 0..4) { $s += $i * $j; } } @ = $s;", 18),
    ("$s = 0; for ($i : 0..3) { $i = 100; $s++; } @ = $s;", 3),
    // Maps.
    ("@k[1, 2] = 3; @k[2, 1] = 4; @ = @k[1, 2] * 10 + @k[2, 1];", 34),
    ("@k[\"a\", 1] = 3; @k[\"abc\", 1] = 4; @ = @k[\"a\", 1] * 10 + @k[\"abc\", 1] + @k[\"b\", 1];", 34),
    ("@k[1] = 1; delete(@k[1]); @ = @k[1] + has_key(@k, 1) * 10;", 0),
    ("@k[1] = 1; @ = delete(@k, 1) * 10 + delete(@k, 1);", 10),
    ("@k[1] = 1; @k[5] = 1; @k[7] = 1; delete(@k[5]); @ = len(@k);", 2),
    ("@k[(1, \"x\")] = 5; @ = @k[1, \"x\"];", 5),
    // Aggregations as numbers.
    ("@c = count(); @c = count(); @ = @c;", 2),
    ("@s = sum(-5); @s = sum(2); @ = @s;", -3),
    ("@v = avg(10); @v = avg(20); @ = @v;", 15),
    ("@n = min(3); @n = min(-33); @n = min(5); @ = @n;", -33),
    ("@n = max(-3); @n = max(-33); @ = @n;", -3),
    ("@n = max((uint64)-3); @n = max((uint64)3); @ = (int64)@n;", -3),
    ("@n = min((uint64)-3); @n = min((uint64)3); @ = (int64)@n;", 3),
    ("@k[1] = count(); @k[1] = count(); @k[2] = count(); @ = @k[1] * 10 + @k[2] + @k[3];", 21),
    // Strings.
    (
        "$s = \"abc\"; @ = ($s == \"abc\") * 1000 + ($s == \"abcd\") * 100 + ($s == \"ab\") * 10 + ($s != \"\");",
        1001,
    ),
    ("$s = \"abcdefghi\"; $t = \"abcdefghi\"; $u = \"abcdefgh\"; @ = ($s == $t) * 10 + ($s == $u);", 10),
    ("$s = \"hello\"; @ = strncmp($s, \"help\", 3) * 10 + strncmp($s, \"help\", 4) + len($s) * 100;", 501),
    (
        "$s = \"a\"; $s = \"longer than 8\"; @ = ($s == \"longer than 8\") * 10 + ($s == \"longer than 9\");",
        10,
    ),
    (
        "@s = \"one\"; @t[1] = \"three\"; @ = (@s == \"one\") * 10 + (@t[1] == \"three\") + (@t[2] == \"\") * 100;",
        111,
    ),
    ("@s = \"one\"; @s = \"twelve\"; @ = len(@s) * 10 + (@s == \"twelve\");", 61),
    ("$x = 1; $s = $x ? \"yes\" : \"certainly not\"; @ = ($s == \"yes\") + len($s) * 10;", 31),
    // Positional parameters.
    ("@ = $1 + $2 + $#;", 42 - 7 + 4),
    ("@ = (str($3) == \"word\") * 10 + (str($3 + 1) == \"ord\") + ($9 == 0) * 100;", 111),
    ("@ = $4;", 0x1f),
    // Control.
    ("@ = 1; return; @ = 2;", 1),
    ("@ = 1; if (@ == 1) { @ = 5; exit(); @ = 6; }", 5),
    ("if (@a == 62) { @ = 1; } else if (@a == 63) { @ = 2; } else { @ = 3; }", 2),
    ("$x = (1, \"two\"); @t = $x; @u[1] = @t; @ = 1;", 1),
];

#[test]
fn expressions_mean_what_the_language_says() {
    if !kernel::available("expressions_mean_what_the_language_says") {
        return;
    }
    let mut world = World::new();
    world.options.parameters = ["42", "-7", "word", "0x1f"].map(String::from).to_vec();
    for (body, wanted) in CASES {
        let source = format!("BEGIN {{ @a = 63; @ = 0; {body} }}");
        assert_eq!(run(&world, &source), *wanted, "{source}");
    }
}

#[test]
fn histograms_count_in_the_right_bucket() {
    use stapes_bpf::Aggregate;
    if !kernel::available("histograms_count_in_the_right_bucket") {
        return;
    }
    let mut values: Vec<i64> = vec![i64::MIN, -100, -1, 0, i64::MAX];
    values.extend((0..63).flat_map(|bit| [(1i64 << bit) - 1, 1i64 << bit, (1i64 << bit) + 1]));
    for bits in 0..=5u8 {
        let wanted: Vec<u32> = values.iter().map(|v| Aggregate::hist_bucket(*v, bits)).collect();
        check_buckets(&values, &format!("hist(@v, {bits})"), &wanted, Aggregate::hist_buckets(bits));
    }
    for (min, max, step) in [(0, 100, 10), (-50, 50, 7), (10, 1000, 1), (-8, 8, 4)] {
        let steps = (max - min) / step;
        let wanted = |v: &i64| match *v {
            v if v < min => 0,
            v if v >= max => steps + 1,
            v => (v - min) / step + 1,
        };
        let wanted: Vec<u32> = values.iter().map(|v| wanted(v).min(steps + 1) as u32).collect();
        check_buckets(&values, &format!("lhist(@v, {min}, {max}, {step})"), &wanted, steps as u32 + 2);
    }
}

/// Counts each value in a histogram of its own key.
fn check_buckets(values: &[i64], function: &str, wanted: &[u32], buckets: u32) {
    let world = World::new();
    for (values, wanted) in values.chunks(16).zip(wanted.chunks(16)) {
        let mut source = String::from("BEGIN { @v = 0; ");
        for (index, value) in values.iter().enumerate() {
            source += &format!("@v = {}; @h[{index}] = {function}; ", literal(*value));
        }
        source += "}";
        let (object, _) = world.compile(&source).unwrap_or_else(|e| panic!("{}", text(&source, &e)));
        let mut loaded = Loaded::load(object, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        loaded.run_begin().unwrap();
        let map = loaded.map_named("@h").unwrap();
        for (index, (value, bucket)) in values.iter().zip(wanted).enumerate() {
            let counters = map.get(&(index as u64).to_ne_bytes()).unwrap().unwrap();
            assert_eq!(map.stride() as u32, buckets * 8, "{function}");
            let at = |cpu: usize, bucket: u32| {
                let start = cpu * map.stride() + bucket as usize * 8;
                u64::from_ne_bytes(counters[start..start + 8].try_into().unwrap())
            };
            let cpus = counters.len() / map.stride();
            let sums: Vec<u64> = (0..buckets).map(|b| (0..cpus).map(|cpu| at(cpu, b)).sum()).collect();
            let found = sums.iter().position(|n| *n == 1).map(|b| b as u32);
            assert_eq!((found, sums.iter().sum::<u64>()), (Some(*bucket), 1), "{function} of {value}");
        }
    }
}
