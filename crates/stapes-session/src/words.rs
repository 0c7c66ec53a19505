//! A command line cut into words as a shell does it, without its expansions.

/// The words of a command: cut at blanks, with single quotes, double quotes and backslashes as in a POSIX shell.
///
/// # Errors
/// A quote that is not closed.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                if !quoted(c, &mut chars, word) {
                    return Err(format!("the quote {c} is not closed"));
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads up to the closing quote; whether there was one.
fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> bool {
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return true,
            '\\' if quote == '"' => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some(c) => word.extend(['\\', c]),
                None => return false,
            },
            c => word.push(c),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn as_a_shell_does() {
        let cut = |line| words(line).unwrap();
        assert_eq!(cut("  a  b\tc "), ["a", "b", "c"]);
        assert_eq!(cut(r#"sh -c 'echo "x y"; exit 5'"#), ["sh", "-c", "echo \"x y\"; exit 5"]);
        assert_eq!(cut(r#"a" b"'c'\ d "" \\"#), ["a bc d", "", "\\"]);
        assert_eq!(cut(r#""\"\n\$""#), [r#""\n$"#]);
        assert_eq!(cut(""), [""; 0]);
        assert!(words("a 'b").is_err());
        assert!(words("a \"b\\").is_err());
    }
}
