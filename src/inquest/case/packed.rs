//! Numbers that may not be there, in the room of those that are: there are many of them.

/// A whole number, if there is one: any but the least of 64 bits, which is no time and no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maybe(i64);

impl Maybe {
    /// The number.
    pub fn get(self) -> Option<i64> {
        (self.0 != i64::MIN).then_some(self.0)
    }
}

impl From<Option<i64>> for Maybe {
    fn from(number: Option<i64>) -> Maybe {
        Maybe(number.unwrap_or(i64::MIN))
    }
}

impl Default for Maybe {
    fn default() -> Maybe {
        None.into()
    }
}

/// Amounts, if there are any: any but the largest of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts<const N: usize>([u64; N]);

impl<const N: usize> Amounts<N> {
    /// Those that are there.
    pub fn get(self) -> [Option<u64>; N] {
        self.0.map(|amount| (amount != u64::MAX).then_some(amount))
    }
}

impl<const N: usize> From<[Option<u64>; N]> for Amounts<N> {
    fn from(amounts: [Option<u64>; N]) -> Amounts<N> {
        Amounts(amounts.map(|amount| amount.unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_back() {
        for number in [None, Some(0), Some(-1), Some(i64::MAX)] {
            assert_eq!(Maybe::from(number).get(), number);
        }
        let amounts = [None, Some(0), Some(u64::MAX - 1)];
        assert_eq!(Amounts::from(amounts).get(), amounts);
        assert_eq!(std::mem::size_of::<Maybe>(), 8);
    }
}
