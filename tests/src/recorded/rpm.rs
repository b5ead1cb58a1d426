//! One person copying student records from a sheet into a web form.
//!
//! What was typed, copied or written on a label is never read: the columns `content`, `target.value`,
//! `target.innerText` and `target.innerHTML` have no field here.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use contract::{EventType, Timestamp};
use serde::Deserialize;

use super::{
    ContextKey, Conversion, Dataset, EventLine, Origin, RecordedError, Span, Window, csv_rows, open,
};

/// Every row of the raw log in its own order, with the tasks of the segmented log.
pub fn convert(data: &Path, window: &Window) -> Result<Conversion, RecordedError> {
    let cases = Cases::read(data)?;
    let path = data.join(format!("rpm-uilogs/{RECORDING}.csv"));
    let rows: Vec<Row> = csv_rows(DATASET, &path, open(&path)?)?;
    let mut times = Vec::with_capacity(rows.len());
    for (number, row) in (1..).zip(&rows) {
        let at = Timestamp::parse(&row.time)
            .ok_or(RecordedError::Malformed { dataset: DATASET, row: number })?;
        times.push(at.ms());
    }
    let (first_ms, last_ms) = (times.iter().copied().min(), times.iter().copied().max());
    let span = Span { first_ms: first_ms.unwrap_or(0), last_ms: last_ms.unwrap_or(0) };
    let offset = window.place(&[span])?.first().copied().unwrap_or(0);
    let mut conversion = Conversion::new(DATASET, 1);
    for (number, (row, at_ms)) in (1..).zip(rows.iter().zip(times)) {
        let at = Timestamp::from_ms(at_ms + offset);
        row.push_events(number, at, &cases, &mut conversion)
            .ok_or(RecordedError::Malformed { dataset: DATASET, row: number })?;
    }
    Ok(conversion)
}

/// Which task a row belongs to: no two rows of the recording share a time.
struct Cases {
    by_time: HashMap<String, CaseRow>,
    first_times: BTreeMap<String, String>,
}

impl Cases {
    fn read(data: &Path) -> Result<Self, RecordedError> {
        let path = data.join(format!("rpm-uilogs/{RECORDING}_segmented.csv"));
        let rows: Vec<CaseRow> = csv_rows(DATASET, &path, open(&path)?)?;
        let mut first_times: BTreeMap<String, String> = BTreeMap::new();
        for row in &rows {
            let first = first_times.entry(row.case.clone()).or_insert_with(|| row.time.clone());
            if row.time < *first {
                first.clone_from(&row.time);
            }
        }
        Ok(Self {
            first_times,
            by_time: rows.into_iter().map(|row| (row.time.clone(), row)).collect(),
        })
    }

    /// The case that begins at `time`, RFC 3339 in the recording's own spelling.
    fn beginning_at(&self, time: &str) -> Option<&CaseRow> {
        self.by_time
            .get(time)
            .filter(|row| self.first_times.get(&row.case).is_some_and(|first| first == time))
    }
}

#[derive(Deserialize)]
struct CaseRow {
    #[serde(rename = "caseID")]
    case: String,
    #[serde(rename = "timeStamp")]
    time: String,
    #[serde(rename = "userID")]
    user: String,
}

impl CaseRow {
    fn task(&self, kind: EventType, part: &str, at: Timestamp) -> EventLine {
        event(kind, &format!("case-{}.{part}", self.case), at)
            .actor(&self.user)
            .task(TASK, &format!("case-{}", self.case))
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "timeStamp")]
    time: String,
    #[serde(rename = "userID")]
    user: String,
    #[serde(rename = "targetApp")]
    app: String,
    #[serde(rename = "eventType")]
    action: String,
    url: String,
    #[serde(rename = "target.workbookName")]
    workbook: String,
    #[serde(rename = "target.sheetName")]
    sheet: String,
    #[serde(rename = "target.id")]
    id: String,
    #[serde(rename = "target.name")]
    name: String,
    #[serde(rename = "target.tagName")]
    tag: String,
    #[serde(rename = "target.type")]
    input: String,
}

impl Row {
    /// Nothing for an action or a screen that the documentation does not name.
    fn push_events(
        &self,
        number: usize,
        at: Timestamp,
        cases: &Cases,
        conversion: &mut Conversion,
    ) -> Option<()> {
        if let Some(case) = cases.beginning_at(&self.time) {
            conversion.push(case.task(EventType::TaskStarted, "started", at));
        }
        conversion.push(self.interaction(number, at)?);
        if self.action == "form_submit" || (self.action == "clickButton" && self.input == "submit")
        {
            let case = cases.by_time.get(&self.time)?;
            conversion.push(case.task(EventType::TaskCompleted, "completed", at));
        }
        Some(())
    }

    fn interaction(&self, number: usize, at: Timestamp) -> Option<EventLine> {
        let event = event(event_type(&self.action)?, &format!("{number:05}"), at)
            .screen(&self.screen()?)
            .context(ContextKey::UserAction, self.action.as_str());
        let event = if self.user.is_empty() { event } else { event.actor(&self.user) };
        let (key, kind) = self.element();
        Some(if key.is_empty() { event } else { event.element(&key, &kind) })
    }

    fn screen(&self) -> Option<String> {
        if !self.url.is_empty() {
            let (_scheme, rest) = self.url.split_once("://")?;
            let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
            return Some(path.split(['?', '#']).next().unwrap_or(path).to_owned());
        }
        match self.app.as_str() {
            "Excel" => Some(format!("/{}/{}", self.workbook, self.sheet)),
            "OS-Clipboard" => Some("/clipboard".to_owned()),
            _ => None,
        }
    }

    /// Key and kind: the element's id, else its name, else its tag; never its text. A button's type is left alone, since
    /// in this form it is also the button's value.
    fn element(&self) -> (String, String) {
        let tag = self.tag.to_ascii_lowercase();
        let key = [self.id.as_str(), self.name.as_str(), tag.as_str()]
            .into_iter()
            .find(|key| !key.is_empty());
        let key = key.unwrap_or_default().to_owned();
        let kind = match tag.as_str() {
            "" => "cell".to_owned(),
            "input" => self.input.clone(),
            _ => tag,
        };
        (key, kind)
    }
}

fn event(kind: EventType, part: &str, at: Timestamp) -> EventLine {
    EventLine::new(ORIGIN, kind, &format!("rpm.{RECORDING}.{part}"), at).session(RECORDING)
}

fn event_type(action: &str) -> Option<EventType> {
    match action {
        "editField" | "editCell" | "paste" | "pasteIntoCell" | "copy" | "copyCell" | "getCell" => {
            Some(EventType::UiInputMeta)
        }
        "navigate_to" | "createNewTab" | "selectWorksheet" => Some(EventType::UiNavigation),
        "form_submit" => Some(EventType::UiCustom),
        _ => action.starts_with("click").then_some(EventType::UiClick),
    }
}

/// What the source does not say.
pub const INVENTIONS: &[&str] = &[
    "the session: the whole recording is one",
    "the screen of the clipboard; its rows name no person, and none is made up for them",
    "the key of an element without id and name: its tag",
    "a task begins at the first row of its case; the name of the task",
    "the calendar: the recording is moved as a whole, its last row to the anchor",
];

pub(super) const ORIGIN: Origin = Origin { org: "rpm", product: "forms", service: "rpm-uilogs" };
const DATASET: Dataset = Dataset::Rpm;
const RECORDING: &str = "StudentRecord";
const TASK: &str = "student-record";

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &str) -> Row {
        let header = "timeStamp,userID,targetApp,eventType,url,target.workbookName,target.sheetName,target.id,target.name,target.tagName,target.type";
        let text = format!("{header}\n{fields}\n");
        csv::Reader::from_reader(text.as_bytes()).into_deserialize().next().unwrap().unwrap()
    }

    #[test]
    fn a_screen_is_the_path_of_the_page_the_sheet_or_the_clipboard() {
        for (fields, screen) in [
            ("t,u,Chrome,paste,https://h.example/a/b?c#d,,,,,,", Some("/a/b")),
            ("t,u,Chrome,paste,https://h.example,,,,,,", Some("/")),
            ("t,u,Excel,getCell,,Book.xlsx,Sheet1,A2,,,", Some("/Book.xlsx/Sheet1")),
            ("t,,OS-Clipboard,copy,,,,,,,", Some("/clipboard")),
            ("t,u,Telegraph,copy,,,,,,,", None),
        ] {
            assert_eq!(row(fields).screen().as_deref(), screen, "{fields}");
        }
    }

    #[test]
    fn an_element_is_named_by_its_id_else_its_name_else_its_tag() {
        for (fields, key, kind) in [
            ("t,u,Chrome,paste,,,,Date-date,date,INPUT,text", "Date-date", "text"),
            ("t,u,Chrome,paste,,,,,Email,INPUT,text", "Email", "text"),
            ("t,u,Chrome,clickButton,,,,,,BUTTON,submit", "button", "button"),
            ("t,u,Excel,getCell,,,,A2,,,", "A2", "cell"),
        ] {
            assert_eq!(row(fields).element(), (key.to_owned(), kind.to_owned()), "{fields}");
        }
    }

    #[test]
    fn an_action_that_is_not_documented_is_refused() {
        assert_eq!(event_type("clickCheckbox"), Some(EventType::UiClick));
        assert_eq!(event_type("selectWorksheet"), Some(EventType::UiNavigation));
        assert_eq!(event_type("editField"), Some(EventType::UiInputMeta));
        assert_eq!(event_type("keylog"), None);
    }
}
