//! A query in plain Dutch or English: what is read, who counts, how cells are made, what is computed, which
//! floors hold, what leaves.
//!
//! For the people of a hospital who decide on it. It must say all that the query does, and nothing else.

mod expression;
mod words;

use self::expression::in_words;
use super::derive::{Derive, DeriveKind};
use super::dimension::{Classes, Dimension};
use super::expr::{Aggregate, Expr, Term};
use super::measure::{Limits, Measure, MeasureKind, Per};
use super::parameter::{Parameter, Rule};
use super::{Column, Query};
use std::collections::BTreeSet;

/// A language of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Dutch.
    Dutch,
    /// English.
    English,
}

impl Language {
    /// The text of this language.
    fn pick<'a>(self, dutch: &'a str, english: &'a str) -> &'a str {
        match self {
            Language::Dutch => dutch,
            Language::English => english,
        }
    }
}

/// The whole text.
pub(super) fn describe(query: &Query, language: Language) -> String {
    let to = Teller { query, language };
    let title = language.pick(query.title_nl(), query.title_en());
    let purpose = language.pick(query.purpose.dutch(), query.purpose.name());
    let version = language.pick("versie", "version");
    let aim = language.pick("doel", "purpose");
    let mut text = format!("{title} ({} {version} {}, {aim}: {purpose})\n", query.id(), query.version());
    let sections = [
        (language.pick("Wat wordt gelezen", "What is read"), to.read()),
        (language.pick("Wie of wat meetelt", "Who or what counts"), to.counted()),
        (language.pick("Hoe de cellen worden gemaakt", "How cells are made"), to.cells()),
        (
            language.pick("Wat dit ziekenhuis per cel berekent", "What this hospital computes per cell"),
            to.measures(),
        ),
        (
            language.pick(
                "Wat pas na het optellen wordt berekend, landelijk",
                "What is computed after adding up only, nationally",
            ),
            query.derives().iter().map(|derive| to.derive(derive)).collect(),
        ),
        (language.pick("Welke ondergrenzen gelden", "Which floors hold"), to.floors()),
        (language.pick("Wat het ziekenhuis verlaat", "What leaves the hospital"), to.leaves()),
    ];
    for (head, lines) in sections.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        text.push_str(&format!("\n{head}:\n"));
        for line in lines {
            text.push_str(&format!("- {line}\n"));
        }
    }
    text.truncate(text.trim_end().len());
    text
}

struct Teller<'a> {
    query: &'a Query,
    language: Language,
}

impl Teller<'_> {
    fn pick<'a>(&self, dutch: &'a str, english: &'a str) -> &'a str {
        self.language.pick(dutch, english)
    }

    fn expr(&self, expr: &Expr) -> String {
        in_words(expr, self.query.parameters(), self.language)
    }

    fn read(&self) -> Vec<String> {
        let columns: Vec<String> = columns(self.query)
            .into_iter()
            .map(|column| format!("{} (`{}`)", words::column(column, self.language), column.name()))
            .collect();
        let dataset = self.query.dataset();
        let mut lines = vec![format!(
            "{} `{}` ({}): {}.",
            self.pick("Het extract", "The extract"),
            dataset.name(),
            words::dataset(dataset, self.language),
            columns.join(", ")
        )];
        if let Some(minutes) = self.query.max_age_minutes() {
            let age = words::age(minutes, self.language);
            lines.push(match self.language {
                Language::Dutch => {
                    format!("Een extract met een peildatum van meer dan {age} geleden wordt geweigerd.")
                }
                Language::English => {
                    format!("An extract whose reference date is more than {age} ago is refused.")
                }
            });
        }
        lines
    }

    fn counted(&self) -> Vec<String> {
        let population = self.query.population();
        let mut lines = vec![if population.is_always() {
            self.pick("Alle regels tellen mee.", "All rows count.").to_owned()
        } else {
            let only = self.pick("Alleen regels waarvoor geldt", "Only rows for which this holds");
            format!("{only}: {}.", self.expr(population))
        }];
        lines.extend(self.query.parameters().iter().map(|parameter| self.parameter(parameter)));
        lines
    }

    fn parameter(&self, parameter: &Parameter) -> String {
        let usual = match parameter.usual.as_ref() {
            None => String::new(),
            Some(Rule::Fixed(value)) => format!("; {} {value}", self.pick("gewoonlijk", "usually")),
            Some(Rule::Today(days)) => {
                let from = self.pick(
                    "de dag waarop de machtiging wordt gemaakt",
                    "the day on which the warrant is made",
                );
                format!(
                    "; {} {from} {days:+} {}",
                    self.pick("gewoonlijk", "usually"),
                    self.pick("dagen", "days")
                )
            }
            Some(Rule::Month(months)) => {
                let from = self.pick(
                    "de eerste dag van de maand waarin de machtiging wordt gemaakt",
                    "the first day of the month in which the warrant is made",
                );
                format!(
                    "; {} {from} {months:+} {}",
                    self.pick("gewoonlijk", "usually"),
                    self.pick("maanden", "months")
                )
            }
        };
        let value = match &parameter.value {
            Some(value) => format!("{value}"),
            None => self.pick("nog niet gekozen", "not chosen yet").to_owned(),
        };
        let bounds = words::bounds(parameter.bounds(), self.language);
        format!("{} = {value}; {bounds}{usual}.", parameter.name())
    }

    fn cells(&self) -> Vec<String> {
        let layout = self.query.layout();
        let mut lines: Vec<String> =
            self.query.dimensions().iter().map(|dimension| self.dimension(dimension)).collect();
        let layout = if self.query.awaits_roster() { self.query.without_classes().layout() } else { layout };
        let groups = usize::try_from(layout.cells()).unwrap_or(0).checked_div(layout.figures()).unwrap_or(0);
        lines.push(match self.language {
            Language::Dutch if self.query.awaits_roster() => {
                format!(
                    "Voor elke klasse van ziekenhuizen {groups} cellen met elk {} getallen.",
                    layout.figures()
                )
            }
            Language::English if self.query.awaits_roster() => {
                format!("For each class of hospitals {groups} cells of {} figures each.", layout.figures())
            }
            Language::Dutch => format!("Samen {groups} cellen met elk {} getallen.", layout.figures()),
            Language::English => format!("Together {groups} cells of {} figures each.", layout.figures()),
        });
        lines
    }

    fn dimension(&self, dimension: &Dimension) -> String {
        if dimension.is_of_hospitals() {
            return self.class(dimension);
        }
        let column = words::column(dimension.column(), self.language);
        let count = dimension.listed();
        let shown: Vec<String> = (0..count.min(5)).filter_map(|place| dimension.label(place)).collect();
        let more = if count > shown.len() { ", ..." } else { "" };
        let kind = match dimension.classes() {
            Classes::Codes(_) => self.pick("waarden", "values"),
            Classes::Numbers(_) | Classes::Days(_) => self.pick("klassen", "classes"),
        };
        let mut line =
            format!("{} {column}: {count} {kind} ({}{more})", self.pick("Per", "By"), shown.join(", "));
        if dimension.has_other() {
            line.push_str(self.pick("; ook alle andere waarden samen", "; also all other values together"));
        } else if matches!(dimension.classes(), Classes::Codes(_)) {
            line.push_str(self.pick("; andere waarden tellen niet mee", "; other values do not count"));
        }
        if dimension.has_missing() {
            line.push_str(self.pick("; ook regels zonder waarde", "; also rows without a value"));
        }
        line.push('.');
        line
    }

    /// A dimension over a property of hospitals.
    fn class(&self, dimension: &Dimension) -> String {
        let property = words::column(dimension.column(), self.language);
        let listed: Vec<String> = dimension.codes().iter().map(|code| code.to_string()).collect();
        let mut line = match (self.language, dimension.awaits_roster()) {
            (Language::Dutch, true) => {
                format!("Per {property}: die van het rooster als de machtiging wordt gemaakt")
            }
            (Language::English, true) => {
                format!("By {property}: those of the roster when the warrant is made")
            }
            (Language::Dutch, false) => format!("Per {property}: {} ({})", listed.len(), listed.join(", ")),
            (Language::English, false) => format!("By {property}: {} ({})", listed.len(), listed.join(", ")),
        };
        if dimension.has_other() {
            line.push_str(self.pick("; ook alle andere samen", "; also all others together"));
        }
        if dimension.has_missing() {
            line.push_str(self.pick("; ook ziekenhuizen zonder", "; also hospitals without one"));
        }
        line.push_str(self.pick(
            ". Een ziekenhuis vult alleen de cellen van zijn eigen klasse; in alle andere staat nul.",
            ". A hospital fills the cells of its own class alone; all others are zero.",
        ));
        line
    }

    fn measures(&self) -> Vec<String> {
        self.query.measures().iter().map(|measure| self.measure(measure)).collect()
    }

    fn measure(&self, measure: &Measure) -> String {
        let unit = measure.unit().map(|unit| format!(" [{}]", unit.name())).unwrap_or_default();
        let nl = self.language == Language::Dutch;
        let what = match measure.kind() {
            MeasureKind::Sum { of, limits } => {
                let of = self.expr(of);
                let limits = self.limits(limits);
                if nl {
                    format!("de som van {of}{unit}{limits}")
                } else {
                    format!("the sum of {of}{unit}{limits}")
                }
            }
            MeasureKind::Rows { max } => {
                format!("{}{}", self.pick("het aantal regels", "the number of rows"), self.most(*max))
            }
            MeasureKind::Patients { max } => {
                let what = self.pick(
                    "het aantal verschillende patiënten van dit ziekenhuis",
                    "the number of different patients of this hospital",
                );
                let once = self.pick(
                    "; landelijk telt een patiënt per ziekenhuis één keer",
                    "; nationally a patient counts once per hospital",
                );
                format!("{what}{}{once}", self.most(*max))
            }
            MeasureKind::Hospitals { condition } => {
                let condition = self.expr(condition);
                if nl {
                    format!("1 als voor dit ziekenhuis geldt: {condition}{unit}; anders 0")
                } else {
                    format!("1 if this holds for this hospital: {condition}{unit}; else 0")
                }
            }
            _ => self.several(measure, &unit),
        };
        let only = if measure.filter().is_always() {
            String::new()
        } else {
            let only = self.pick("alleen over regels waarvoor geldt", "over rows for which this holds alone");
            format!(", {only}: {}", self.expr(measure.filter()))
        };
        let checked = self.pick(
            "; elk getal komt met een bewijs dat het binnen zijn grenzen ligt",
            "; every figure comes with a proof that it lies within its bounds",
        );
        let checked = if measure.is_checked() { checked } else { "" };
        format!("`{}`: {what}{only}{checked}.", measure.name())
    }

    /// What a measure of several figures computes.
    fn several(&self, measure: &Measure, unit: &str) -> String {
        let nl = self.language == Language::Dutch;
        match measure.kind() {
            MeasureKind::Histogram { of, per, bins, max } => {
                let ends: Vec<String> = bins.iter().map(ToString::to_string).collect();
                let (of, per, most) = (self.expr(of), self.per(*per), self.most(*max));
                let ends = ends.join(", ");
                if nl {
                    format!(
                        "in welke klasse {of}{unit} valt, {per}; grenzen {ends}; apart als er geen waarde is{most}"
                    )
                } else {
                    format!("the class of {of}{unit}, {per}; ends {ends}; apart if there is no value{most}")
                }
            }
            MeasureKind::Moments { of, per, limits } => {
                let (of, per, limits) = (self.expr(of), self.per(*per), self.limits(limits));
                if nl {
                    format!("aantal, som en som van kwadraten van {of}{unit}, {per}{limits}")
                } else {
                    format!("number, sum and sum of squares of {of}{unit}, {per}{limits}")
                }
            }
            MeasureKind::Regression { outcome, predictors, per, limits } => {
                let predictors: Vec<String> = predictors.iter().map(|one| self.expr(one)).collect();
                let (outcome, per) = (self.expr(outcome), self.per(*per));
                let (on, limits) = (predictors.join("; "), self.limits(limits));
                if nl {
                    format!(
                        "sommen van producten, voor een lineair model van {outcome}{unit} op ({on}), {per}{limits}"
                    )
                } else {
                    format!(
                        "sums of products, for a linear model of {outcome}{unit} on ({on}), {per}{limits}"
                    )
                }
            }
            MeasureKind::Survival { time, event, bins, max } => {
                let ends: Vec<String> = bins.iter().map(ToString::to_string).collect();
                let (time, event, most) = (self.expr(time), self.expr(event), self.most(*max));
                let ends = ends.join(", ");
                if nl {
                    format!(
                        "per periode (grenzen {ends}) van {time}: hoeveel regels nog liepen, het voorval hadden ({event}), of er zonder ophielden{most}"
                    )
                } else {
                    format!(
                        "per interval (ends {ends}) of {time}: how many rows were at risk, had the event ({event}), or ended without it{most}"
                    )
                }
            }
            _ => String::new(),
        }
    }

    fn per(&self, per: Per) -> &'static str {
        match (per, self.language) {
            (Per::Hospital, Language::Dutch) => "één waarde van het hele ziekenhuis",
            (Per::Hospital, Language::English) => "one value of the whole hospital",
            (Per::Row, Language::Dutch) => "van elke regel",
            (Per::Row, Language::English) => "of every row",
        }
    }

    fn most(&self, max: i64) -> String {
        match (max, self.language) {
            (1, _) => String::new(),
            (max, Language::Dutch) => format!("; boven {max} weigert de node"),
            (max, Language::English) => format!("; above {max} the node refuses"),
        }
    }

    fn limits(&self, limits: &Limits) -> String {
        let Limits { scale, low, high, max } = limits;
        let (most, decimals) = (self.most(*max), words::decimals(*scale, self.language));
        match self.language {
            Language::Dutch => format!(", {decimals}; buiten {low} tot {high} weigert de node{most}"),
            Language::English => format!(", {decimals}; outside {low} to {high} the node refuses{most}"),
        }
    }

    fn derive(&self, derive: &Derive) -> String {
        let name =
            |place: &u8| self.query.measures().get(usize::from(*place)).map_or("", Measure::name).to_owned();
        let side = |places: &[u8]| places.iter().map(name).collect::<Vec<_>>().join(" + ");
        let nl = self.language == Language::Dutch;
        let what = match derive.kind() {
            DeriveKind::Ratio { numerator, denominator } => {
                let by = self.pick("gedeeld door", "divided by");
                format!("({}) {by} ({})", side(numerator), side(denominator))
            }
            DeriveKind::Cover { stock, used, months } => {
                let (stock, used) = (name(stock), name(used));
                if nl {
                    format!("maanden dekking: {stock} gedeeld door ({used} per maand, over {months} maanden)")
                } else {
                    format!("months of cover: {stock} divided by ({used} a month, over {months} months)")
                }
            }
            DeriveKind::Share { of, over } => {
                let dimension = over.and_then(|place| self.query.dimensions().get(usize::from(place)));
                let over = match dimension {
                    Some(dimension) => words::column(dimension.column(), self.language).to_owned(),
                    None => self.pick("alle cellen", "all cells").to_owned(),
                };
                format!(
                    "{} {} {} {over}",
                    self.pick("het aandeel in", "the share in"),
                    name(of),
                    self.pick("over", "over")
                )
            }
            DeriveKind::Mean(of) => {
                format!("{} {}", self.pick("het gemiddelde van", "the mean of"), name(of))
            }
            DeriveKind::Variance(of) => {
                format!("{} {}", self.pick("de variantie van", "the variance of"), name(of))
            }
            DeriveKind::Quantile { of, share } => {
                if nl {
                    format!("de waarde waar een deel van {share} van {} onder ligt", name(of))
                } else {
                    format!("the value below which a share of {share} of {} lies", name(of))
                }
            }
            DeriveKind::Coefficients(of) => {
                let what = self.pick(
                    "de coëfficiënten, hun standaardfouten en de vrijheidsgraden van",
                    "the coefficients, their standard errors and the degrees of freedom of",
                );
                format!("{what} {}", name(of))
            }
            DeriveKind::Curve(of) => {
                let what = self.pick(
                    "het deel dat nog geen voorval had, per periode van",
                    "the share without an event yet, per interval of",
                );
                format!("{what} {}", name(of))
            }
        };
        format!("`{}`: {what}, {}.", derive.name(), words::decimals(derive.scale(), self.language))
    }

    fn floors(&self) -> Vec<String> {
        let (hospitals, patients) = (self.query.floor_hospitals(), self.query.floor_patients());
        let mut lines = Vec::new();
        match (hospitals, self.language) {
            (0, Language::Dutch) => lines.push(
                "De vraag heeft geen ondergrens van ziekenhuizen; de regels van het rooster kunnen er een stellen."
                    .to_owned(),
            ),
            (0, Language::English) => lines.push(
                "The query has no floor of hospitals; the rules of the roster may set one.".to_owned(),
            ),
            (floor, Language::Dutch) => lines.push(format!(
                "Eerst wordt per cel geteld hoeveel ziekenhuizen er regels voor hebben. Een cijfer waar minder dan {floor} \
                 ziekenhuizen achter staan verlaat geen enkel ziekenhuis."
            )),
            (floor, Language::English) => lines.push(format!(
                "First it is counted for each cell how many hospitals have rows for it. A figure with fewer than {floor} \
                 hospitals behind it leaves no hospital."
            )),
        }
        match self.language {
            _ if !self.query.is_by_class() => {}
            Language::Dutch => lines.push(format!(
                "Een klasse van ziekenhuizen telt 0 of minstens {hospitals} deelnemers; anders is er geen som, en geen \
                 ziekenhuis geeft iets."
            )),
            Language::English => lines.push(format!(
                "A class of hospitals has 0 or at least {hospitals} that take part; else there is no sum, and no \
                 hospital gives anything."
            )),
        }
        match (patients, self.language) {
            (0, _) => {}
            (floor, Language::Dutch) => {
                lines.push(format!("Een cijfer waar minder dan {floor} patiënten achter kunnen staan verlaat geen enkel ziekenhuis."))
            }
            (floor, Language::English) => {
                lines.push(format!("A figure that may have fewer than {floor} patients behind it leaves no hospital."))
            }
        }
        match (self.query.floor_dominance(), self.language) {
            (0, _) => {}
            (percent, Language::Dutch) => lines.push(format!(
                "Elk ziekenhuis vergelijkt zijn eigen bedrag met het laatste totaal van deze vraag dat openging, en zegt \
                 alleen of het meer dan {percent}% daarvan is. Waar een ziekenhuis dat zegt blijft het cijfer gesloten; \
                 iedereen ziet hoeveel ziekenhuizen het zeggen, niet welke. De eerste keer is er geen totaal, en geen \
                 vergelijking."
            )),
            (percent, Language::English) => lines.push(format!(
                "Each hospital compares its own amount with the last total of this query that opened, and says only \
                 whether it is more than {percent}% of it. Where a hospital says so the figure stays closed; everyone \
                 sees how many hospitals say it, not which. The first time there is no total, and no comparison."
            )),
        }
        lines
    }

    fn leaves(&self) -> Vec<String> {
        let open = self.query.awaits_roster();
        let cells = self.query.without_classes().layout().cells();
        let cells = if open { cells } else { self.query.layout().cells() };
        let of_each = |words: &'static str| if open { words } else { "" };
        let (nl, en) =
            (of_each(" voor elke klasse van ziekenhuizen"), of_each(" for each class of hospitals"));
        vec![match self.language {
            Language::Dutch => format!(
                "{cells} getallen{nl}, elk versleuteld zodat alleen de som over alle ziekenhuizen leesbaar wordt. \
                 Geen regels, geen namen, geen eigen totalen."
            ),
            Language::English => format!(
                "{cells} numbers{en}, each masked so that the sum over all hospitals alone becomes readable. \
                 No rows, no names, no totals of its own."
            ),
        }]
    }
}

/// Every column that is looked at, in the order of the data set.
fn columns(query: &Query) -> Vec<Column> {
    let mut seen = BTreeSet::new();
    let mut take = |expr: &Expr| {
        for term in expr.terms() {
            match term {
                Term::Column(column)
                | Term::Aggregate(Aggregate::Sum(column) | Aggregate::Min(column) | Aggregate::Max(column)) =>
                {
                    seen.insert(*column);
                }
                _ => {}
            }
        }
    };
    super::check::expressions(query).into_iter().for_each(&mut take);
    // Those of hospitals are in no data set, and left out at the end.
    seen.extend(query.dimensions().iter().map(Dimension::column));
    if query.measures().iter().any(|measure| matches!(measure.kind(), MeasureKind::Patients { .. })) {
        seen.insert(Column::Person);
    }
    if query.measures().iter().any(|measure| measure.unit().is_some()) {
        seen.insert(Column::Unit);
    }
    query.dataset().columns().iter().copied().filter(|column| seen.contains(column)).collect()
}
