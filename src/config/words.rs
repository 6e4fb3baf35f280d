//! Values that are one of a few words.

/// Makes a type a `Value` that is one of these words: manual, messages, parser and schema have them from one list.
///
/// The last one, after the semicolon, is that behind "or" in messages. Functions in braces behind it are for what is taken,
/// or hinted at, besides.
macro_rules! words {
    (
        $type:ty:
        $first:literal => $first_value:expr $(, $word:literal => $value:expr)*;
        $last:literal => $last_value:expr
        $(, { $($besides:tt)* })?
    ) => {
        impl $crate::config::value::Value for $type {
            const NAME: &'static str = concat!($first, "|", $($word, "|",)* $last);
            const EXPECTED: &'static str =
                concat!("\"", $first, "\"" $(, ", \"", $word, "\"")*, " or \"", $last, "\"");

            fn parse(text: &str) -> Result<Self, $crate::config::error::Problem> {
                match text {
                    $first => Ok($first_value),
                    $($word => Ok($value),)*
                    $last => Ok($last_value),
                    _ => Err(Self::mismatch(text)),
                }
            }

            $($($besides)*)?

            fn schema() -> schemars::Schema {
                schemars::json_schema!({ "enum": [$first, $($word,)* $last] })
            }
        }
    };
}

pub(super) use words;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::error::Problem;
    use crate::config::value::Value;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Direction {
        Left,
        Straight,
        Right,
    }

    words!(Direction: "left" => Self::Left, "straight-on" => Self::Straight; "right" => Self::Right);

    #[derive(Debug, PartialEq)]
    enum Switch {
        On,
        Off,
    }

    words!(Switch: "on" => Self::On; "off" => Self::Off, {
        fn of_switch(on: bool) -> Result<Self, Problem> {
            Ok(if on { Self::On } else { Self::Off })
        }
    });

    #[test]
    fn every_word_is_read_and_no_other() {
        for (text, meant) in [
            ("left", Direction::Left),
            ("straight-on", Direction::Straight),
            ("right", Direction::Right),
        ] {
            assert_eq!(Direction::parse(text), Ok(meant), "{text}");
        }
        for text in ["", "Left", "left ", "straight", "left|right"] {
            assert!(Direction::parse(text).is_err(), "{text}");
        }
        assert!(Direction::of_number(1).is_err() && Direction::of_switch(true).is_err());
    }

    #[test]
    fn manual_message_and_schema_name_the_words_that_are_read() {
        assert_eq!(Direction::NAME, "left|straight-on|right");
        assert_eq!(
            Direction::parse("up").unwrap_err().message,
            "expected \"left\", \"straight-on\" or \"right\", found \"up\""
        );
        assert_eq!(
            Direction::schema().to_value(),
            json!({ "enum": ["left", "straight-on", "right"] })
        );
        assert_eq!((Switch::NAME, Switch::EXPECTED), ("on|off", "\"on\" or \"off\""));
    }

    #[test]
    fn something_else_may_be_read_besides_the_words() {
        assert_eq!(Switch::of_switch(false), Ok(Switch::Off));
        assert_eq!(Switch::parse("on"), Ok(Switch::On));
    }
}
