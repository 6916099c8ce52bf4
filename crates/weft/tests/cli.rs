//! What the command line says, word by word. `TRYCMD=overwrite cargo test -p weft --test cli` writes it anew.

#[test]
fn transcripts() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("tests/cmd/*.trycmd");
}
