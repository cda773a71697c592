//! A time or a number that may not be there, in the room of one that is: there are many of them.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_back() {
        for number in [None, Some(0), Some(-1), Some(i64::MAX)] {
            assert_eq!(Maybe::from(number).get(), number);
        }
        assert_eq!(std::mem::size_of::<Maybe>(), 8);
    }
}
