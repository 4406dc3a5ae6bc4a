//! A reader that walks over JSON (RFC 8259) once, in place.
//!
//! ```
//! use sluice::json::Reader;
//!
//! let mut name = String::new();
//! Reader::new(br#"{"spec":{"name":"web","ports":[80]}}"#).object(|r, key| match key {
//!     "spec" => r.object(|r, key| {
//!         if key == "name" {
//!             name = r.string()?.into_owned();
//!         }
//!         Ok(()) // what is left unread is passed over
//!     }),
//!     _ => Ok(()),
//! })?;
//! assert_eq!(name, "web");
//! # Ok::<(), sluice::json::Error>(())
//! ```
//!
//! As in the Kubernetes API, null stands for a value that is not there: an empty
//! object, array or text, 0 and false.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// How deep objects and arrays may nest.
const DEEPEST: usize = 256;

/// JSON that does not read, or is not of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// In bytes, from the beginning.
    pub offset: usize,
    /// What is wrong.
    pub reason: Cow<'static, str>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}", self.reason, self.offset)
    }
}

impl From<Error> for crate::Error {
    fn from(e: Error) -> Self {
        crate::Error::new(e)
    }
}

/// Reads one JSON text.
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first value.
    pub fn new(text: &'a [u8]) -> Self {
        Reader { text, at: 0, depth: 0 }
    }

    /// An error about the value that comes next, for the caller's own checks.
    pub fn error(&self, reason: impl Into<Cow<'static, str>>) -> Error {
        Error { offset: self.at, reason: reason.into() }
    }

    /// Calls `f` with each key; `f` reads the value or leaves it.
    pub fn object(&mut self, mut f: impl FnMut(&mut Self, &str) -> Result<(), Error>) -> Result<(), Error> {
        self.members(b'{', b'}', "no object where one should be", |r| {
            let key = r.text()?;
            r.expect(b':', "no colon where one should be")?;
            r.value(|r| f(r, &key))
        })
    }

    /// Calls `f` at each element; `f` reads it or leaves it.
    pub fn array(&mut self, mut f: impl FnMut(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.members(b'[', b']', "no array where one should be", |r| r.value(&mut f))
    }

    fn members(
        &mut self,
        open: u8,
        close: u8,
        otherwise: &'static str,
        mut member: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.null()? {
            return Ok(());
        }
        self.expect(open, otherwise)?;
        if self.depth == DEEPEST {
            return Err(self.error("nested more than 256 deep"));
        }
        self.depth += 1;
        if self.peek() != close {
            member(self)?;
            while self.peek() == b',' {
                self.at += 1;
                member(self)?;
            }
        }
        self.depth -= 1;
        self.expect(close, "no comma and no end where one should be")
    }

    /// Reads a value by `f`, or passes over it if `f` has not moved.
    fn value(&mut self, f: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.peek();
        let start = self.at;
        f(self)?;
        match self.at == start {
            true => self.skip(),
            false => Ok(()),
        }
    }

    /// Passes over a value, and checks it.
    pub fn skip(&mut self) -> Result<(), Error> {
        match self.peek() {
            b'{' => self.object(|_, _| Ok(())),
            b'[' => self.array(|_| Ok(())),
            b'"' => self.raw().map(drop),
            b't' | b'f' => self.bool().map(drop),
            b'n' => self.null().map(drop),
            _ => self.number().map(drop),
        }
    }

    /// Reads a text; half of a surrogate pair becomes U+FFFD.
    pub fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        match self.null()? {
            true => Ok(Cow::Borrowed("")),
            false => self.text(),
        }
    }

    /// Reads a whole number.
    pub fn integer(&mut self) -> Result<i64, Error> {
        if self.null()? {
            return Ok(0);
        }
        let start = self.at;
        self.number()?.parse().map_err(|_| Error { offset: start, reason: "a number is no integer of 64 bits".into() })
    }

    /// Reads true or false.
    pub fn bool(&mut self) -> Result<bool, Error> {
        if self.null()? {
            return Ok(false);
        }
        let yes = self.peek() == b't';
        self.word(if yes { "true" } else { "false" })?;
        Ok(yes)
    }

    /// Whether the next value is null, which it reads then.
    pub fn null(&mut self) -> Result<bool, Error> {
        if self.peek() != b'n' {
            return Ok(false);
        }
        self.word("null")?;
        Ok(true)
    }

    /// Checks that nothing but white space is left.
    pub fn end(&mut self) -> Result<(), Error> {
        self.peek();
        match self.at == self.text.len() {
            true => Ok(()),
            false => Err(self.error("text goes on after the value")),
        }
    }

    /// The next byte that is no white space; 0 at the end.
    fn peek(&mut self) -> u8 {
        while matches!(self.byte(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn expect(&mut self, byte: u8, otherwise: &'static str) -> Result<(), Error> {
        if self.peek() != byte {
            return Err(self.error(otherwise));
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Error> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error("no value of the right type where one should be"));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        match self.at == start {
            true => Err(self.error("no digit where one should be")),
            false => Ok(()),
        }
    }

    fn number(&mut self) -> Result<&'a str, Error> {
        self.peek();
        let start = self.at;
        if self.byte() == b'-' {
            self.at += 1;
        }
        match self.byte() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(core::str::from_utf8(&self.text[start..self.at]).expect("digits are ASCII"))
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        let (raw, escaped) = self.raw()?;
        Ok(if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) })
    }

    /// A string between its quotes, checked, and whether it has escapes.
    fn raw(&mut self) -> Result<(&'a str, bool), Error> {
        self.expect(b'"', "no text where one should be")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.byte() {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    let rest = &self.text[self.at + 1..];
                    self.at += match rest.first() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if rest.len() > 4 && rest[1..5].iter().all(u8::is_ascii_hexdigit) => 6,
                        _ => return Err(self.error("an illegal escape in a text")),
                    };
                }
                c if c < b' ' && self.at < self.text.len() => {
                    return Err(self.error("a bare control character in a text"))
                }
                _ if self.at >= self.text.len() => return Err(self.error("a text has no end")),
                _ => self.at += 1,
            }
        }
        let raw = core::str::from_utf8(&self.text[start..self.at])
            .map_err(|_| Error { offset: start, reason: "a text is not valid UTF-8".into() })?;
        self.at += 1;
        Ok((raw, escaped))
    }
}

/// The meaning of a checked text with escapes.
fn unescape(mut raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    while let Some(at) = raw.find('\\') {
        out.push_str(&raw[..at]);
        let escape = raw.as_bytes()[at + 1];
        raw = &raw[at + 2..];
        match escape {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let unit = |digits: &str| u16::from_str_radix(digits, 16).unwrap_or(0xfffd);
                let high = unit(&raw[..4]);
                raw = &raw[4..];
                let low = match raw.strip_prefix("\\u") {
                    Some(next) => unit(&next[..4]),
                    None => 0,
                };
                match char::decode_utf16([high, low]).next() {
                    Some(Ok(c)) => {
                        if c as u32 > 0xffff {
                            raw = &raw[6..];
                        }
                        out.push(c);
                    }
                    _ => out.push(char::REPLACEMENT_CHARACTER),
                }
            }
            c => out.push(c as char),
        }
    }
    out.push_str(raw);
    out
}
