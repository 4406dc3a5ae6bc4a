//! The encoding of Protocol Buffers, as far as the ABI uses it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A message that does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError(pub(crate) &'static str);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// Appends fields to a message. Like protoc it writes nothing for a default
/// value. Field numbers are below 16, so a tag is one byte.
pub(crate) struct Writer<'a>(pub &'a mut Vec<u8>);

impl Writer<'_> {
    fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }

    pub fn number(&mut self, field: u8, v: u64) {
        if v != 0 {
            self.0.push(field << 3 | VARINT);
            self.varint(v);
        }
    }

    /// Bytes that are written even if they are empty.
    pub fn element(&mut self, field: u8, v: &[u8]) {
        self.0.push(field << 3 | BYTES);
        self.varint(v.len() as u64);
        self.0.extend_from_slice(v);
    }

    pub fn bytes(&mut self, field: u8, v: &[u8]) {
        if !v.is_empty() {
            self.element(field, v);
        }
    }

    pub fn text(&mut self, field: u8, v: &str) {
        self.bytes(field, v.as_bytes());
    }

    pub fn texts(&mut self, field: u8, list: &[String]) {
        for s in list {
            self.element(field, s.as_bytes());
        }
    }

    /// An embedded message. One byte is left for its length, and more is made
    /// when that is too few.
    pub fn message(&mut self, field: u8, body: impl FnOnce(&mut Writer)) {
        self.0.extend_from_slice(&[field << 3 | BYTES, 0]);
        let start = self.0.len();
        body(self);
        let mut rest = self.0.len() - start;
        let mut at = start - 1;
        while rest >= 0x80 {
            self.0[at] = rest as u8 | 0x80;
            rest >>= 7;
            at += 1;
            self.0.insert(at, 0);
        }
        self.0[at] = rest as u8;
    }

    /// A message that means the same when it is empty and when it is not there.
    pub fn message_unless_empty(&mut self, field: u8, body: impl FnOnce(&mut Writer)) {
        let before = self.0.len();
        self.message(field, body);
        if self.0.len() == before + 2 {
            self.0.truncate(before);
        }
    }
}

/// One field: its number, and its value by wire type.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub number: u64,
    wire: u8,
    varint: u64,
    bytes: &'a [u8],
}

const WRONG_TYPE: DecodeError = DecodeError("a field has the wrong wire type");

impl<'a> Field<'a> {
    pub fn number(&self) -> Result<u64, DecodeError> {
        match self.wire {
            VARINT => Ok(self.varint),
            _ => Err(WRONG_TYPE),
        }
    }

    /// A number of at most `max`.
    pub fn at_most(&self, max: u64) -> Result<u64, DecodeError> {
        match self.number()? {
            n if n <= max => Ok(n),
            _ => Err(DecodeError("a number is out of its range")),
        }
    }

    pub fn bytes(&self) -> Result<&'a [u8], DecodeError> {
        match self.wire {
            BYTES => Ok(self.bytes),
            _ => Err(WRONG_TYPE),
        }
    }

    pub fn text(&self) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.bytes()?).map_err(|_| DecodeError("a text is not valid UTF-8"))
    }
}

/// Reads the fields of one message.
#[derive(Clone)]
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut v = 0;
        for (i, &c) in self.0.iter().enumerate() {
            if i == 9 && c > 1 {
                return Err(DecodeError("a varint is longer than 64 bits"));
            }
            v |= u64::from(c & 0x7f) << (7 * i);
            if c < 0x80 {
                self.0 = &self.0[i + 1..];
                return Ok(v);
            }
        }
        Err(DecodeError("a varint is cut short"))
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], DecodeError> {
        if n > self.0.len() as u64 {
            return Err(DecodeError("a field is cut short"));
        }
        let (taken, rest) = self.0.split_at(n as usize);
        self.0 = rest;
        Ok(taken)
    }

    /// The next field; None at the end.
    pub fn field(&mut self) -> Result<Option<Field<'a>>, DecodeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let mut field = Field { number: key >> 3, wire: key as u8 & 7, varint: 0, bytes: &[] };
        if field.number == 0 || field.number > (1 << 29) - 1 {
            return Err(DecodeError("a field number is not between 1 and 536870911"));
        }
        match field.wire {
            VARINT => field.varint = self.varint()?,
            BYTES => {
                let length = self.varint()?;
                field.bytes = self.take(length)?;
            }
            FIXED32 => drop(self.take(4)?),
            FIXED64 => drop(self.take(8)?),
            _ => return Err(DecodeError("a field has an unknown wire type")),
        }
        Ok(Some(field))
    }

    /// Hands every field to `f`.
    pub fn each(mut self, mut f: impl FnMut(Field<'a>) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        while let Some(field) = self.field()? {
            f(field)?;
        }
        Ok(())
    }
}
