//! Arguments with names of all sorts.

#![forbid(unsafe_code)]

struct Thing {
    field: u32,
}

fn main() {
    let thing = Thing { field: 1 };
    let (plain, r#type) = (2_u8, 3_u8);
    stapes::probe!(described, names, given = 1 + 2, thing.field, &thing.field, &plain, r#type, 4 + 5);
}
