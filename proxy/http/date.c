/*
 * The three forms of HTTP-date (RFC 9110 §5.6.7) and the proleptic Gregorian calendar behind them.
 * Done by hand: strptime knows locales, timegm and gmtime know time zones and leap seconds.
 */
#include "http/date.h"

#include <assert.h>
#include <stdio.h>

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

#define DAY_S INT64_C(86400)
#define YEAR_0_S INT64_C(-62167219200)
#define YEAR_9999_END_S INT64_C(253402300799)

struct moment {
    unsigned year, month, day; /* month and day from 1 */
    unsigned hour, minute, second;
};

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    assert(month >= 1 && month <= 12);
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 0000-01-01 to the year's first. */
static int64_t days_before(int64_t year)
{
    return year == 0 ? 0 : year * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;
}

static int64_t moment_seconds(const struct moment *moment)
{
    int64_t days = days_before(moment->year) + moment->day - 1;

    for (unsigned month = 1; month < moment->month; month++)
        days += month_days(moment->year, month);
    return YEAR_0_S + days * DAY_S + moment->hour * 3600 + moment->minute * 60 + moment->second;
}

/* The other way, for seconds from YEAR_0_S to YEAR_9999_END_S. */
static struct moment moment_of(int64_t seconds)
{
    const int64_t days = (seconds - YEAR_0_S) / DAY_S;
    const unsigned rest = (unsigned)((seconds - YEAR_0_S) % DAY_S);
    int64_t year = days / 366; /* never too late */

    while (days_before(year + 1) <= days)
        year++;
    struct moment moment = {.year = (unsigned)year,
                            .month = 1,
                            .day = (unsigned)(days - days_before(year)) + 1,
                            .hour = rest / 3600,
                            .minute = rest / 60 % 60,
                            .second = rest % 60};
    while (moment.day > month_days(moment.year, moment.month))
        moment.day -= month_days(moment.year, moment.month++);
    return moment;
}

/* --- reading: each helper takes what it read off the front --- */

static bool take(struct bytes *text, struct bytes literal)
{
    if (!bytes_starts_with(*text, literal))
        return false;
    *text = bytes_from(*text, literal.length);
    return true;
}

static bool take_digits(struct bytes *text, size_t count, unsigned *number)
{
    uint64_t value;

    if (text->length < count ||
        bytes_to_number(bytes_slice(*text, 0, count), 9999, &value) != RESULT_OK)
        return false;
    *text = bytes_from(*text, count);
    *number = (unsigned)value;
    return true;
}

/* A day's name, cut to `length` letters (0: whole). */
static bool take_day_name(struct bytes *text, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(day_names); i++) {
        const struct bytes name = bytes_of_string(day_names[i]);

        if (take(text, length == 0 ? name : bytes_slice(name, 0, length)))
            return true;
    }
    return false;
}

static bool take_month(struct bytes *text, unsigned *month)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(month_names); i++)
        if (take(text, bytes_of_string(month_names[i]))) {
            *month = i + 1;
            return true;
        }
    return false;
}

static bool take_time(struct bytes *text, struct moment *moment)
{
    return take_digits(text, 2, &moment->hour) && take(text, BYTES(":")) &&
           take_digits(text, 2, &moment->minute) && take(text, BYTES(":")) &&
           take_digits(text, 2, &moment->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool read_imf(struct bytes text, struct moment *moment)
{
    return take_day_name(&text, 3) && take(&text, BYTES(", ")) &&
           take_digits(&text, 2, &moment->day) && take(&text, BYTES(" ")) &&
           take_month(&text, &moment->month) && take(&text, BYTES(" ")) &&
           take_digits(&text, 4, &moment->year) && take(&text, BYTES(" ")) &&
           take_time(&text, moment) && bytes_equal(text, BYTES(" GMT"));
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool read_rfc850(struct bytes text, int64_t now_s, struct moment *moment)
{
    if (!take_day_name(&text, 0) || !take(&text, BYTES(", ")) ||
        !take_digits(&text, 2, &moment->day) || !take(&text, BYTES("-")) ||
        !take_month(&text, &moment->month) || !take(&text, BYTES("-")) ||
        !take_digits(&text, 2, &moment->year) || !take(&text, BYTES(" ")) ||
        !take_time(&text, moment) || !bytes_equal(text, BYTES(" GMT")))
        return false;
    const unsigned now_year =
        now_s < YEAR_0_S || now_s > YEAR_9999_END_S ? 1970 : moment_of(now_s).year;

    moment->year += now_year - now_year % 100;
    if (moment->year > now_year + 50 && moment->year >= 100)
        moment->year -= 100;
    return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool read_asctime(struct bytes text, struct moment *moment)
{
    if (!take_day_name(&text, 3) || !take(&text, BYTES(" ")) ||
        !take_month(&text, &moment->month) || !take(&text, BYTES(" ")))
        return false;
    return take_digits(&text, take(&text, BYTES(" ")) ? 1 : 2, &moment->day) &&
           take(&text, BYTES(" ")) && take_time(&text, moment) && take(&text, BYTES(" ")) &&
           take_digits(&text, 4, &moment->year) && text.length == 0;
}

enum result date_parse(struct bytes text, int64_t now_s, int64_t *date_s)
{
    struct moment moment = {0};

    if (!read_imf(text, &moment) && !read_rfc850(text, now_s, &moment) &&
        !read_asctime(text, &moment))
        return RESULT_INVALID;
    if (moment.day < 1 || moment.day > month_days(moment.year, moment.month) || moment.hour > 23 ||
        moment.minute > 59 || moment.second > 60) /* 60: a leap second, counted as the next one */
        return RESULT_INVALID;
    *date_s = moment_seconds(&moment);
    return RESULT_OK;
}

void date_format(int64_t date_s, char *text)
{
    const int64_t low = date_s < YEAR_0_S ? YEAR_0_S : date_s;
    const int64_t inside = low > YEAR_9999_END_S ? YEAR_9999_END_S : low;
    const struct moment moment = moment_of(inside);
    const int64_t weekday = ((inside - YEAR_0_S) / DAY_S + 6) % 7; /* year 0 began on a Saturday */

    (void)snprintf(text, DATE_ROOM, "%.3s, %02u %s %04u %02u:%02u:%02u GMT", day_names[weekday],
                   moment.day, month_names[moment.month - 1], moment.year, moment.hour,
                   moment.minute, moment.second); /* always fits */
}
