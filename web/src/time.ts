/** Dates of the map's history. A date is a day in Beijing time, written YYYY-MM-DD. */

export type Day = string;

const DAY_MS = 86_400_000;
const PATTERN = /^(\d{4})-(\d{2})-(\d{2})$/;

/** Whether a text is a day that exists in the calendar. */
export function isDay(text: string): boolean {
  return PATTERN.test(text) && dayOf(ordinal(text)) === text;
}

/** Days since 1970-01-01 of a day; NaN when the text is no day. */
export function ordinal(day: Day): number {
  const [, year, month, date] = PATTERN.exec(day) ?? [];
  return Date.UTC(Number(year), Number(month) - 1, Number(date)) / DAY_MS;
}

/** The day a number of days after 1970-01-01; empty when the number is none. */
export function dayOf(days: number): Day {
  return Number.isFinite(days) ? new Date(days * DAY_MS).toISOString().slice(0, 10) : "";
}

/** The day it is in Beijing (UTC+8, no summer time since 1991) at an instant. */
export function beijingDay(instant: Date): Day {
  return new Date(instant.getTime() + 8 * 3_600_000).toISOString().slice(0, 10);
}

/** An instant (RFC 3339) as people in the city read it, or the text itself if it is none. */
export function formatInstant(text: string): string {
  const instant = new Date(text);
  if (Number.isNaN(instant.getTime())) {
    return text;
  }
  const local = new Date(instant.getTime() + 8 * 3_600_000).toISOString();
  const time = local.slice(11, 16);
  return time === "00:00" ? local.slice(0, 10) : `${local.slice(0, 10)} ${time}`;
}

/** The range of a timeline, in days since 1970-01-01. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where a day stands on a timeline, 0 to 1. */
export function fractionOf(days: number, span: Span): number {
  return Math.min(1, Math.max(0, (days - span.start) / Math.max(1, span.end - span.start)));
}

/**
 * The day at a place on the timeline: an epoch when one is within `reach` (a fraction),
 * null (now) at the right end, else the plain day.
 */
export function dayAt(
  fraction: number,
  span: Span,
  epochs: readonly Day[],
  reach: number,
): Day | null {
  if (fraction >= 1 - reach) {
    return null;
  }
  let nearest: Day | null = null;
  let distance = reach;
  for (const epoch of epochs) {
    const away = Math.abs(fractionOf(ordinal(epoch), span) - fraction);
    if (away <= distance) {
      nearest = epoch;
      distance = away;
    }
  }
  return nearest ?? dayOf(Math.round(span.start + fraction * (span.end - span.start)));
}

/** The next epoch after (or before) a day; null (now) after the last. */
export function neighbour(day: Day | null, epochs: readonly Day[], step: 1 | -1): Day | null {
  if (step === 1) {
    return day === null ? null : (epochs.find((epoch) => epoch > day) ?? null);
  }
  const earlier = epochs.filter((epoch) => day === null || epoch < day);
  return earlier.at(-1) ?? epochs[0] ?? null;
}
