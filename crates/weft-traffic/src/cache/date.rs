//! HTTP dates (RFC 9110, 5.6.7), in all of their three forms.

use std::time::Duration;

use weft_types::Timestamp;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// `None`: it is no date. What lies before 1970 is 1970.
pub fn parse(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match *words.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT · Sunday, 06-Nov-94 08:49:37 GMT
        [_, day, month, year, time, zone] if zone.eq_ignore_ascii_case("GMT") && text.contains(',') => {
            (day, month, year, time)
        }
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] if !text.contains(',') => (day, month, year, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64 + 1;
    let short = year.len() == 2;
    let (day, mut year) = (digits(day, 2)?, digits(year, 4)?);
    if short {
        // RFC 9110: of two digits, the year that is not more than 50 years ahead; until 2070 this is that.
        year += if year < 70 { 2000 } else { 1900 };
    }
    let mut clock = time.split(':');
    let (hour, minute, second) = (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 || !(1..=days_in(month, year)).contains(&day) {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Timestamp::ZERO.saturating_add(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
}

fn digits(text: &str, most: usize) -> Option<i64> {
    let good = !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01. The year begins in March, so that a leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format(at: Timestamp) -> String {
    let seconds = (at.as_nanos() / 1_000_000_000) as i64;
    let (whole, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = whole + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (name, month) = (DAYS[(whole % 7) as usize], MONTHS[(month - 1) as usize]);
    format!("{name}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_three_forms_are_read() {
        let wanted = Some(Timestamp::from_millis(784_111_777_000));
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text), wanted, "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "+6 Nov 1994",
            "Sun, 06 Nov 19940 08:49:37 GMT",
            "Sun, 006 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("Thu, 01 Jan 1903 00:00:00 GMT"), Some(Timestamp::ZERO));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0u64..9_000_000_000) {
            let at = Timestamp::from_millis(seconds * 1000);
            prop_assert_eq!(parse(&format(at)), Some(at));
        }

        #[test]
        fn nothing_panics(text in "[ -~]{0,40}") {
            let _ = parse(&text);
        }
    }
}
