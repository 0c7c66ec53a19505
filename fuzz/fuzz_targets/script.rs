//! Bytes as a script: parsing ends, complaints can be shown, and what has none prints and parses to the same text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stapes_script::{decode, parse_with, print, render};

fuzz_target!(|data: &[u8]| {
    let Ok(source) = decode(data) else { return };
    let parameters = ["/a b:c".to_owned(), "7".to_owned()];
    let (script, complaints) = parse_with(source, &parameters);
    for complaint in complaints.iter().take(10) {
        let text = render::render("script", source, complaint, render::Style::Plain);
        assert!(text.contains(complaint.slug));
    }
    if !complaints.is_empty() {
        return;
    }
    let printed = print::script(&script);
    let (again, complaints) = parse_with(&printed, &parameters);
    assert_eq!(complaints, [], "{printed}");
    assert_eq!(print::script(&again), printed);
});
