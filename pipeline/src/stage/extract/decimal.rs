//! Numbers as they are written, digit by digit: a double has no 1.005.

/// Digits behind the point; 20 are before it.
pub(crate) const SCALE: i8 = 18;
pub(crate) const PRECISION: u8 = 38;

const BEFORE: i64 = 20;
const BEHIND: i64 = SCALE as i64;

/// What a number of JSON says in units of the last digit, rounded to it; none where the text is no
/// such number, or one that has too many digits before the point.
pub(super) fn read(text: &str) -> Option<i128> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let digits = || whole.bytes().chain(part.bytes());
    let zeros = digits().take_while(|digit| *digit == b'0').count();
    if zeros == whole.len() + part.len() {
        return Some(0);
    }
    // How many digits, zeros in front left out, are before the point.
    let before = whole.len() as i64 - zeros as i64 + i64::from(exponent);
    if before > BEFORE {
        return None;
    }
    let kept = usize::try_from(before + BEHIND).ok();
    let Some(kept) = kept else { return Some(0) };
    let mut digits = digits().skip(zeros).chain(std::iter::repeat(b'0'));
    let number =
        digits.by_ref().take(kept).fold(0, |sum: i128, digit| sum * 10 + i128::from(digit - b'0'));
    let number = number + i128::from(digits.next().is_some_and(|digit| digit >= b'5'));
    let fits = number < 10_i128.pow(PRECISION.into());
    fits.then_some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: i128 = 10_i128.pow(BEHIND as u32);

    #[test]
    fn a_number_is_what_is_written() {
        for (text, units) in [
            ("0", 0),
            ("-0.0", 0),
            ("0e99999", 0),
            ("1", ONE),
            ("1.005", ONE + ONE / 200),
            ("-0.004", -ONE / 250),
            ("12.50e1", 125 * ONE),
            ("5E-2", ONE / 20),
            ("0.0000001e+7", ONE),
            ("99999999999999999999", 99_999_999_999_999_999_999 * ONE),
            ("0.0000000000000000005", 1),
            ("0.00000000000000000049", 0),
            ("1e-2000", 0),
        ] {
            assert_eq!(read(text), Some(units), "{text}");
        }
        for none in
            ["", "-", ".5", "1.", "1e", "1e1e1", "+1", "NaN", "1,5", "1e20", "1 ", "1e999999999999"]
        {
            assert_eq!(read(none), None, "{none}");
        }
        let rounded_up = "99999999999999999999.9999999999999999995";
        assert_eq!(read(rounded_up), None);
    }

    proptest! {
        #[test]
        fn where_the_point_stands_is_no_matter(number in -(1_i64 << 50)..1_i64 << 50, shift in 0..12_i32) {
            let moved = format!("{number}e-{shift}");
            let expected = i128::from(number) * ONE / 10_i128.pow(shift.unsigned_abs());
            prop_assert_eq!(read(&moved), Some(expected));
        }
    }
}
