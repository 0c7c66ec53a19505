//! `count`, `sum`, `avg`, `min`, `max`, `stats`, `hist`, `lhist`: what can be assigned to a map and is kept per CPU.

use stapes_bpf::Aggregate;

use super::{Call, Checked};
use crate::check::Checker;
use crate::check::types::is_unsigned;
use crate::diagnostics::semantic as diag;
use crate::tree::Expr;

/// The most steps of a linear histogram, as in bpftrace.
const MAX_STEPS: i64 = 1000;

fn of_value<'a>(
    checker: &mut Checker<'a>,
    call: &Call<'a>,
    make: impl FnOnce(bool) -> Aggregate,
) -> Option<Checked> {
    let value = counted(checker, call)?;
    let signed = !is_unsigned(&value.ty);
    Some(Checked::Aggregate(make(signed), Some(value)))
}

fn counted<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Expr> {
    checker.number(call.arguments.first()?, &format!("{}()", call.name.text))
}

pub(super) fn count<'a>(_: &mut Checker<'a>, _: &Call<'a>) -> Option<Checked> {
    Some(Checked::Aggregate(Aggregate::Count, None))
}

pub(super) fn sum<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    of_value(checker, call, |signed| Aggregate::Sum { signed })
}

pub(super) fn avg<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    of_value(checker, call, |signed| Aggregate::Avg { signed })
}

pub(super) fn min<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    of_value(checker, call, |signed| Aggregate::Min { signed })
}

pub(super) fn max<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    of_value(checker, call, |signed| Aggregate::Max { signed })
}

pub(super) fn stats<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    of_value(checker, call, |signed| Aggregate::Stats { signed })
}

pub(super) fn hist<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let value = counted(checker, call)?;
    let bits = match call.arguments.get(1) {
        Some(bits) => checker.constant(bits, "the number of bits of hist()", (0, 5))?,
        None => 0,
    };
    Some(Checked::Aggregate(Aggregate::Hist { bits: bits as u8 }, Some(value)))
}

pub(super) fn lhist<'a>(checker: &mut Checker<'a>, call: &Call<'a>) -> Option<Checked> {
    let value = counted(checker, call);
    let [_, min, max, step] = call.arguments else { return None };
    let min = checker.constant(min, "the lower bound of lhist()", (i64::MIN, i64::MAX));
    let max_value = checker.constant(max, "the upper bound of lhist()", (i64::MIN, i64::MAX));
    let step_value = checker.constant(step, "the step of lhist()", (1, i64::MAX));
    let (value, min, max_value, step_value) = (value?, min?, max_value?, step_value?);
    if max_value <= min {
        let range = format!("greater than the lower bound, {min}");
        return checker.refuse(diag::out_of_range(max.span, "the upper bound of lhist()", max_value, &range));
    }
    let steps = max_value.checked_sub(min).map(|range| range / step_value);
    match steps {
        Some(0) => {
            let range = format!("at most the range, {}", max_value - min);
            checker.refuse(diag::out_of_range(step.span, "the step of lhist()", step_value, &range))
        }
        Some(1..=MAX_STEPS) => {
            let aggregate = Aggregate::Lhist { min, max: max_value, step: step_value };
            Some(Checked::Aggregate(aggregate, Some(value)))
        }
        many => {
            let many = many.unwrap_or(i64::MAX);
            let range = format!("at most {MAX_STEPS}");
            checker.refuse(diag::out_of_range(call.span, "the number of steps of lhist()", many, &range))
        }
    }
}
