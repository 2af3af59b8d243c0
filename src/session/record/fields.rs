//! Fields in bytes, each behind its length: what a record's head and body are made of.

use jiff::Timestamp;
use zeroize::Zeroizing;

/// How many bytes [`moment`] gives.
pub(super) const MOMENT_LENGTH: usize = 16;

/// A time as bytes that sort as times do, to the nanosecond.
pub(super) fn moment(time: Timestamp) -> [u8; MOMENT_LENGTH] {
    (time.as_nanosecond() ^ i128::MIN).to_be_bytes()
}

/// The time that [`moment`] made these bytes of.
pub(super) fn time_of(bytes: [u8; MOMENT_LENGTH]) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from_be_bytes(bytes) ^ i128::MIN).ok()
}

/// Writes fields one behind the other. The bytes are wiped when they go.
#[derive(Default)]
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Room for so many bytes, so that growing leaves no unwiped copy behind.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub(super) fn text(&mut self, text: &str) {
        // A field is far below 4 GiB: it came through a body of at most 1 MiB.
        self.0.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend(text.as_bytes());
    }

    pub(super) fn optional(&mut self, text: Option<&str>) {
        self.byte(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    pub(super) fn time(&mut self, time: Timestamp) {
        self.0.extend(moment(time));
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Reads fields in the order they were written. `None`: the bytes are not that.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (array, rest) = self.0.split_first_chunk::<LENGTH>()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn slice(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let (slice, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(slice)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.slice()?).ok()
    }

    #[expect(clippy::option_option, reason = "as every other: `None` is that the bytes are not that")]
    pub(super) fn optional(&mut self) -> Option<Option<&'a str>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.text().map(Some),
            _ => None,
        }
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        time_of(self.array()?)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Whether everything was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_sort_as_times_do_and_come_back() {
        let times = [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::constant(1, 1), Timestamp::MAX];
        let moments = times.map(moment);
        assert!(moments.is_sorted());
        assert_eq!(moments.map(time_of), times.map(Some));
    }
}
