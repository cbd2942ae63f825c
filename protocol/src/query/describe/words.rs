//! Words of people for data sets, columns and bounds.

use super::Language;
use crate::query::dataset::{Column, Dataset};
use crate::query::parameter::Bounds;

pub(super) fn dataset(dataset: Dataset, language: Language) -> &'static str {
    let (dutch, english) = match dataset {
        Dataset::Stock => ("voorraad op een peildatum", "stock at a reference date"),
        Dataset::Use => ("verbruik per maand", "use per month"),
        Dataset::Orders => ("bestellingen en leveringen", "orders and deliveries"),
        Dataset::Administration => ("toedieningen uit het EPD", "administrations of the EHR"),
        Dataset::Admission => ("opnamen uit het EPD", "admissions of the EHR"),
        Dataset::Result => ("laboratoriumuitslagen", "laboratory results"),
        Dataset::Position => {
            ("per product: voorraad, verbruik en bestellingen", "per product: stock, use and orders")
        }
        Dataset::Course => {
            ("per patiënt, middel en opname: het verloop", "per patient, drug and stay: the course")
        }
    };
    language.pick(dutch, english)
}

pub(super) fn column(column: Column, language: Language) -> &'static str {
    let (dutch, english) = match column {
        Column::AsOf => ("peildatum", "reference date"),
        Column::Period => ("maand", "month"),
        Column::Code => ("product", "product"),
        Column::Quantity => ("hoeveelheid", "quantity"),
        Column::Unit => ("eenheid", "unit"),
        Column::Kind => ("soort voorraad", "kind of stock"),
        Column::Expiry => ("houdbaarheidsdatum", "expiry date"),
        Column::Location => ("locatie", "location"),
        Column::Owner => ("eigenaar", "owner"),
        Column::Ordered => ("besteldatum", "order date"),
        Column::Eta => ("verwachte leverdatum", "expected delivery date"),
        Column::Delivered => ("leverdatum", "delivery date"),
        Column::DeliveredQuantity => ("geleverde hoeveelheid", "delivered quantity"),
        Column::Supplier => ("soort leverancier", "supplier class"),
        Column::Person => ("patiënt", "patient"),
        Column::At => ("dag", "day"),
        Column::Route => ("toedieningsweg", "route"),
        Column::Ward => ("afdeling", "ward"),
        Column::Stay => ("opname", "stay"),
        Column::Age => ("leeftijd", "age"),
        Column::From => ("opnamedag", "day of admission"),
        Column::To => ("ontslagdag", "day of discharge"),
        Column::Specialty => ("specialisme", "specialty"),
        Column::Value => ("uitslag", "result"),
        Column::Stock => ("reguliere voorraad", "regular stock"),
        Column::CcvStock => ("CCV-voorraad", "CCV stock"),
        Column::Use3m => ("verbruik in 3 maanden", "use in 3 months"),
        Column::Use12m => ("verbruik in 12 maanden", "use in 12 months"),
        Column::Due0 => ("levering verwacht in week 0 of te laat", "delivery due in week 0 or overdue"),
        Column::Due1 => ("levering verwacht in week 1", "delivery due in week 1"),
        Column::Due2 => ("levering verwacht in week 2", "delivery due in week 2"),
        Column::Due3 => ("levering verwacht in week 3", "delivery due in week 3"),
        Column::Due4 => ("levering verwacht in week 4", "delivery due in week 4"),
        Column::Due5 => ("levering verwacht in week 5", "delivery due in week 5"),
        Column::Due6 => ("levering verwacht in week 6", "delivery due in week 6"),
        Column::Due7 => ("levering verwacht in week 7", "delivery due in week 7"),
        Column::Due8 => ("levering verwacht in week 8", "delivery due in week 8"),
        Column::Due9 => ("levering verwacht in week 9", "delivery due in week 9"),
        Column::Due10 => ("levering verwacht in week 10", "delivery due in week 10"),
        Column::Due11 => ("levering verwacht in week 11", "delivery due in week 11"),
        Column::Due12 => ("levering verwacht in week 12", "delivery due in week 12"),
        Column::DueLater => ("levering verwacht na week 12", "delivery due after week 12"),
        Column::DueUnknown => ("levering zonder verwachte datum", "delivery without an expected date"),
        Column::Start => ("begin van het verloop", "start of the course"),
        Column::Days => ("aantal dagen", "number of days"),
        Column::SwitchedOnDay => ("dag van overstap op orale toediening", "day of the switch to oral"),
        Column::Indication => ("indicatieklasse", "indication class"),
        Column::BedDays => ("ligdagen", "bed days"),
        Column::Event => ("voorval (0 of 1)", "event (0 or 1)"),
        Column::EventDay => {
            ("dag van voorval of einde van waarneming", "day of the event or end of observation")
        }
        Column::PurchasingGroup => ("inkoopgroep van het ziekenhuis", "purchasing group of the hospital"),
        Column::HospitalKind => ("soort ziekenhuis", "kind of hospital"),
    };
    language.pick(dutch, english)
}

pub(super) fn bounds(bounds: &Bounds, language: Language) -> String {
    match (bounds, language) {
        (Bounds::Date(low, high), Language::Dutch) => format!("een dag van {low} tot en met {high}"),
        (Bounds::Number(low, high), Language::Dutch) => format!("een getal van {low} tot en met {high}"),
        (Bounds::Text(choices), Language::Dutch) => {
            let shown: Vec<&str> = choices.iter().map(|choice| &**choice).collect();
            format!("een van {}", shown.join(", "))
        }
        (bounds, Language::English) => bounds.to_string(),
    }
}

pub(super) fn age(minutes: u32, language: Language) -> String {
    let hours = minutes.checked_div(60).filter(|hours| hours.checked_mul(60) == Some(minutes));
    let days = hours.and_then(|hours| Some((hours, hours.checked_div(24)?)));
    match (days, hours) {
        (Some((hours, days)), _) if days > 1 && days.checked_mul(24) == Some(hours) => {
            format!("{days} {}", language.pick("dagen", "days"))
        }
        (_, Some(hours)) => format!("{hours} {}", language.pick("uur", "hours")),
        _ => format!("{minutes} {}", language.pick("minuten", "minutes")),
    }
}

pub(super) fn decimals(scale: u8, language: Language) -> String {
    match (scale, language) {
        (1, Language::Dutch) => "op 1 decimaal".to_owned(),
        (1, Language::English) => "to 1 decimal".to_owned(),
        (scale, Language::Dutch) => format!("op {scale} decimalen"),
        (scale, Language::English) => format!("to {scale} decimals"),
    }
}
