//! The JSON reader: what it takes, what it refuses, and what is left unread.

use sluice::json::Reader;

#[test]
fn reads() {
    let text = r#" { "skip" : [1, {"a":[true,null,"\u00e9"]}, -0.5e+3] , "na\u006de":"a\n\u00e9\ud83d\ude00\ud800\/",
        "list":["x","y"], "none":null, "min":-9223372036854775808, "yes":true, "empty":{}, "deep":{"x":{"y":7}} } "#;
    let (mut name, mut list, mut none, mut min, mut yes, mut y, mut keys) = (String::new(), vec![], 0, 0, false, 0, 0);
    let mut r = Reader::new(text.as_bytes());
    r.object(|r, key| {
        keys += 1;
        match key {
            "name" => name = r.string()?.into_owned(),
            "list" => r.array(|r| {
                list.push(r.string()?.into_owned());
                Ok(())
            })?,
            "none" => r.object(|_, _| {
                none += 1;
                Ok(())
            })?,
            "min" => min = r.integer()?,
            "yes" => yes = r.bool()?,
            "deep" => r.object(|r, _| {
                r.object(|r, _| {
                    y = r.integer()?;
                    Ok(())
                })
            })?,
            _ => {}
        }
        Ok(())
    })
    .and_then(|()| r.end())
    .unwrap();
    assert_eq!(name, "a\né😀\u{fffd}/");
    assert_eq!((list.join(""), none, min, yes, y, keys), ("xy".to_string(), 0, i64::MIN, true, 7, 8));
}

#[test]
fn refuses() {
    let texts: &[&[u8]] = &[
        b"",
        b"{",
        b"[1",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{\"a\":1,}",
        b"{a:1}",
        b"{\"a\" 1}",
        b"nul",
        b"tru",
        b"\"x",
        b"\"\n\"",
        b"\"\\x\"",
        b"\"\\u12g4\"",
        b"\"\\u12",
        b"\"\\",
        b"\"\xff\"",
        b"01x",
        b"-",
        b"1.",
        b"1e",
        b".5",
        b"[01]",
        b"+1",
        b"{} {}",
    ];
    for text in texts {
        let mut r = Reader::new(text);
        let read = r.skip().and_then(|()| r.end());
        assert!(read.is_err(), "{} is not refused", String::from_utf8_lossy(text));
    }
    let deep = "[".repeat(300) + &"]".repeat(300);
    assert!(Reader::new(deep.as_bytes()).skip().is_err());
    for text in ["9223372036854775808", "-9223372036854775809", "1.0", "1e3", "\"1\"", "true"] {
        assert!(Reader::new(text.as_bytes()).integer().is_err(), "{}", text);
    }
}
