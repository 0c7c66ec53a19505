//! The crate's integration tests, one binary.

mod tests {
    mod assembler;
    mod check;
    mod random;
    mod table;
    mod text;
}
