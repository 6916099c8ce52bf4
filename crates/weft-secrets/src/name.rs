//! Names of secrets: safe as the names of files and variables.

use crate::SecretsError;

const NAME_MAX: usize = 128;

/// Whether `name` may be a secret's; `place` says where it was found.
pub fn check_name(name: &str, place: &str) -> Result<(), SecretsError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if matches!(name.len(), 1..=NAME_MAX) && !name.starts_with('.') && name.bytes().all(good) {
        return Ok(());
    }
    let shown = name[..name.floor_char_boundary(NAME_MAX)].escape_debug().to_string();
    Err(SecretsError::Name { name: shown, place: place.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_out_of_no_folder() {
        for good in ["a", "stripe-key", "db.password", "A_1", &"x".repeat(128)] {
            assert!(check_name(good, "here").is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "../a", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert!(check_name(bad, "here").is_err(), "{bad}");
        }
    }
}
