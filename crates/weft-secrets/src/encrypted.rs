//! An encrypted file of secrets: names and values sealed together, so that none can be read, changed, swapped or
//! dropped without the key.
//!
//! ```text
//! "weft-secrets-1\n" | nonce: 12 bytes | ChaCha20-Poly1305( (len: u32 LE, name, len: u32 LE, value)* ) | tag: 16 bytes
//! ```
//! The first line is authenticated with the rest. Each save draws a new nonce at random.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom, SystemRandom},
};
use zeroize::Zeroizing;

use crate::{SecretsError, VALUE_MAX, Value, file};

const MAGIC: &[u8] = b"weft-secrets-1\n";
const KEY_PREFIX: &str = "weft-secrets-key-1:";
const KEY_BYTES: usize = 32;
/// Largest file, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// What opens an encrypted file. Written as one line of text.
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// Makes a key and writes it to a new file, its owner's alone.
    pub fn create(path: &Path) -> Result<Self, SecretsError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(&mut *bytes)?;
        let line = Zeroizing::new(format!("{KEY_PREFIX}{}\n", STANDARD.encode(*bytes)));
        create(path, line.as_bytes())?;
        Ok(Self(bytes))
    }

    pub fn read(path: &Path) -> Result<Self, SecretsError> {
        Self::parse(&file::private(path)?, &path.display().to_string())
    }

    pub(crate) fn from_variable(name: &str, value: Option<Value>) -> Result<Self, SecretsError> {
        let place = format!("the variable {name}");
        match value {
            Some(value) => Self::parse(&value, &place),
            None => Err(SecretsError::NotAKey { place }),
        }
    }

    fn parse(text: &str, place: &str) -> Result<Self, SecretsError> {
        let wrong = || SecretsError::NotAKey { place: place.to_owned() };
        let encoded = text.trim().strip_prefix(KEY_PREFIX).ok_or_else(wrong)?;
        let decoded = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| wrong())?);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if decoded.len() != KEY_BYTES {
            return Err(wrong());
        }
        key.copy_from_slice(&decoded);
        Ok(Self(key))
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &*self.0).expect("the key has the cipher's length"))
    }
}

/// An opened file. What is set or removed is written by [`save`](Self::save).
pub struct Encrypted {
    path: PathBuf,
    values: BTreeMap<String, Value>,
}

impl Encrypted {
    /// A new file without secrets.
    pub fn create(path: &Path, key: &Key) -> Result<Self, SecretsError> {
        let this = Self { path: path.to_owned(), values: BTreeMap::new() };
        create(path, &this.seal(key)?)?;
        Ok(this)
    }

    pub fn open(path: &Path, key: &Key) -> Result<Self, SecretsError> {
        let failed = |source| SecretsError::Read { path: path.to_owned(), source };
        if fs::metadata(path).map_err(failed)?.len() > FILE_MAX {
            return Err(SecretsError::NotEncrypted { path: path.to_owned() });
        }
        let bytes = fs::read(path).map_err(failed)?;
        let values = unseal(&bytes, key, path)?;
        Ok(Self { path: path.to_owned(), values })
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.values.keys().map(String::as_str).collect()
    }

    pub fn set(&mut self, name: &str, value: Value) -> Result<(), SecretsError> {
        crate::check_name(name, "the command")?;
        if value.len() > VALUE_MAX {
            return Err(SecretsError::TooLarge { name: name.to_owned() });
        }
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.values.remove(name).is_some()
    }

    /// Replaces the file as one: whoever reads it meanwhile reads the old or the new.
    pub fn save(&self, key: &Key) -> Result<(), SecretsError> {
        let sealed = self.seal(key)?;
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        match fs::remove_file(&temporary) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(SecretsError::Write { path: temporary, source });
            }
            _ => {}
        }
        create(&temporary, &sealed)?;
        let failed = |source| SecretsError::Write { path: self.path.clone(), source };
        fs::rename(&temporary, &self.path).map_err(failed)?;
        sync_folder(&self.path).map_err(failed)
    }

    pub(crate) fn into_values(self) -> BTreeMap<String, Value> {
        self.values
    }

    fn seal(&self, key: &Key) -> Result<Vec<u8>, SecretsError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(self.size()));
        for (name, value) in &self.values {
            for part in [name.as_str(), value.as_str()] {
                plain.extend_from_slice(&(part.len() as u32).to_le_bytes());
                plain.extend_from_slice(part.as_bytes());
            }
        }
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce)?;
        let cipher = key.cipher();
        let tag = cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut plain)
            .map_err(|_| SecretsError::Randomness)?;
        Ok([MAGIC, &nonce, &plain, tag.as_ref()].concat())
    }

    fn size(&self) -> usize {
        self.values.iter().map(|(name, value)| 8 + name.len() + value.len()).sum()
    }
}

fn unseal(bytes: &[u8], key: &Key, path: &Path) -> Result<BTreeMap<String, Value>, SecretsError> {
    let not_ours = || SecretsError::NotEncrypted { path: path.to_owned() };
    let wrong_key = || SecretsError::WrongKey { path: path.to_owned() };
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(not_ours)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(not_ours)?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = key.cipher().open_in_place(nonce, Aad::from(MAGIC), &mut sealed).map_err(|_| wrong_key())?;
    let mut values = BTreeMap::new();
    let mut rest = &*plain;
    while !rest.is_empty() {
        let (name, after) = part(rest).ok_or_else(wrong_key)?;
        let (value, after) = part(after).ok_or_else(wrong_key)?;
        values.insert(name.to_owned(), Value::new(value.to_owned()));
        rest = after;
    }
    Ok(values)
}

fn part(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn fill(bytes: &mut [u8]) -> Result<(), SecretsError> {
    SystemRandom::new().fill(bytes).map_err(|_| SecretsError::Randomness)
}

/// A new file, its owner's alone, on disk when this returns.
fn create(path: &Path, bytes: &[u8]) -> Result<(), SecretsError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => SecretsError::Exists { path: path.to_owned() },
        _ => SecretsError::Write { path: path.to_owned(), source },
    };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path)).map_err(failed)
}

/// A new name is on disk only when its folder is.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn made() -> (tempfile::TempDir, PathBuf, Key) {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = (dir.path().join("secrets.weft"), Key::create(&dir.path().join("key")).unwrap());
        let mut file = Encrypted::create(&path, &key).unwrap();
        file.set("stripe", "sk_live_1234".to_owned().into()).unwrap();
        file.set("empty", Value::default()).unwrap();
        file.save(&key).unwrap();
        (dir, path, key)
    }

    #[test]
    fn what_is_set_is_read_again_with_the_key_alone() {
        let (dir, path, key) = made();
        let read = Encrypted::open(&path, &Key::read(&dir.path().join("key")).unwrap()).ok().unwrap();
        assert_eq!(read.names().into_iter().collect::<Vec<_>>(), ["empty", "stripe"]);
        assert_eq!(read.values["stripe"].as_str(), "sk_live_1234");
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|w| w == b"stripe" || w == b"sk_liv"), "names and values are sealed");
        for file in [&path, &dir.path().join("key")] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let other = Key::create(&dir.path().join("other")).unwrap();
        assert!(matches!(Encrypted::open(&path, &other), Err(SecretsError::WrongKey { .. })));
        let mut again = Encrypted::open(&path, &key).ok().unwrap();
        assert!(again.remove("stripe") && !again.remove("stripe"));
        again.save(&key).unwrap();
        assert_eq!(Encrypted::open(&path, &key).ok().unwrap().names().len(), 1);
        assert_ne!(fs::read(&path).unwrap()[MAGIC.len()..][..NONCE_LEN], bytes[MAGIC.len()..][..NONCE_LEN]);
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let (_dir, path, key) = made();
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(unseal(&changed, &key, &path).is_err(), "byte {at}");
            assert!(unseal(&bytes[..at], &key, &path).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_known_file_is_read_for_ever() {
        let key = Key(Zeroizing::new([7; KEY_BYTES]));
        let mut plain = b"\x01\0\0\0a\x01\0\0\0b".to_vec();
        let nonce = [9; NONCE_LEN];
        let tag =
            key.cipher().seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut plain);
        let bytes = [MAGIC, &nonce, &plain, tag.unwrap().as_ref()].concat();
        // Made by another implementation of the cipher.
        let golden = "d2VmdC1zZWNyZXRzLTEKCQkJCQkJCQkJCQkJ/Xn714UPhaXdClzDopsdgiI/fNOOhO1Jlwo=";
        assert_eq!(STANDARD.encode(&bytes), golden);
        let read = unseal(&bytes, &key, Path::new("x")).ok().unwrap();
        assert_eq!(read["a"].as_str(), "b");
    }

    #[test]
    fn nothing_is_overwritten_by_mistake() {
        let (dir, path, key) = made();
        assert!(matches!(Encrypted::create(&path, &key), Err(SecretsError::Exists { .. })));
        assert!(matches!(Key::create(&dir.path().join("key")), Err(SecretsError::Exists { .. })));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "x", "weft-secrets-key-1:", "weft-secrets-key-1:AAAA", "weft-secrets-key-1:!"] {
            assert!(matches!(Key::parse(text, "here"), Err(SecretsError::NotAKey { .. })), "{text}");
        }
        assert!(Key::from_variable("K", None).is_err());
        let line = format!("{KEY_PREFIX}{}\n", STANDARD.encode([1; KEY_BYTES]));
        assert!(Key::from_variable("K", Some(line.into())).is_ok());
    }
}
