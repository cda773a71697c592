//! The few numbers of statistics that are needed.

/// The value in the middle; the lower one of two. None of nothing.
pub fn median(values: &[i64]) -> Option<i64> {
    part(values, 1, 2)
}

/// The value that so many hundredths of the values do not exceed (nearest rank). None of nothing.
pub fn percentile(values: &[i64], hundredths: usize) -> Option<i64> {
    part(values, hundredths, 100)
}

fn part(values: &[i64], of: usize, all: usize) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * of).div_ceil(all).max(1);
    sorted.get(rank - 1).copied()
}

/// The ranks of the values, from 1; those of equal values are the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    order.sort_by(|one, other| at(*one).total_cmp(&at(*other)));
    let mut ranks = vec![0.0; values.len()];
    let mut done = 0;
    for equal in order.chunk_by(|one, other| at(*one) == at(*other)) {
        let mean = done as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for place in equal {
            if let Some(rank) = ranks.get_mut(*place) {
                *rank = mean;
            }
        }
        done += equal.len();
    }
    ranks
}

/// Spearman's rank correlation of the values with their order: 1 where each is above the one before it. None
/// of fewer than three values, or where all are equal.
pub fn rise(values: &[f64]) -> Option<f64> {
    if values.len() < 3 {
        return None;
    }
    let ranks = ranks(values);
    let mean = (values.len() as f64 + 1.0) / 2.0;
    let (mut both, mut own, mut order) = (0.0, 0.0, 0.0);
    for (place, rank) in ranks.iter().enumerate() {
        let (one, other) = (rank - mean, place as f64 + 1.0 - mean);
        both += one * other;
        own += one * one;
        order += other * other;
    }
    (own > 0.0).then(|| both / (own * order).sqrt())
}

/// The median of the slopes between any two of the values, each one step apart from the next (Theil and Sen).
/// None of fewer than two.
pub fn slope(values: &[f64]) -> Option<f64> {
    let mut slopes = Vec::new();
    for (place, value) in values.iter().enumerate() {
        for (steps, later) in values.iter().skip(place + 1).enumerate() {
            slopes.push((later - value) / (steps as f64 + 1.0));
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middles_and_ends() {
        assert_eq!((median(&[]), median(&[3]), median(&[4, 1, 3, 2])), (None, Some(3), Some(2)));
        let hundred: Vec<i64> = (1..=100).rev().collect();
        assert_eq!((percentile(&hundred, 99), percentile(&[5], 99)), (Some(99), Some(5)));
    }

    #[test]
    fn what_rises() {
        assert_eq!(rise(&[1.0, 2.0, 3.0, 10.0]), Some(1.0));
        assert_eq!(rise(&[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!((rise(&[2.0; 9]), rise(&[1.0, 2.0])), (None, None));
        // By hand: ranks 1, 2.5, 2.5, 4.
        assert!(rise(&[1.0, 2.0, 2.0, 3.0]).is_some_and(|rise| (rise - 0.948_683_3).abs() < 1e-6));
        assert_eq!((slope(&[1.0, 3.0, 5.0]), slope(&[7.0])), (Some(2.0), None));
    }
}
