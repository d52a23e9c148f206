/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: The Greenroom authors */
/* Values from and into C variables, by a format string in jansson's language.
 *
 *     gr_pack(&message, "{s:s, s:I, s:[i,i]}", "op", "add", "id", id, "args", 1, 2);
 *     gr_unpack(value, &detail, "{s:s, s:I}", "op", &op, "id", &id);
 *
 * The same formats stand in gr_cast, gr_call, gr_spawn, gr_return, gr_publish, ... Spaces, tabs, newlines, commas and colons
 * in a format mean nothing.
 *
 *     pack   takes                                        makes
 *     s      const char *                                 string (an object's keys too)
 *     s# s%  const char *, int or size_t                  string of so many bytes; s+, s#+, s%+: the next one is appended
 *     s? s*  const char *                                 string; for NULL null (?) or nothing, the key left out too (*)
 *     n      -                                            null
 *     b      bool, int                                    true or false
 *     i      int, unsigned (and what promotes to them)    int
 *     I      long, long long (int64_t); unsigned ones     int; GR_ERANGE above INT64_MAX
 *     f      double, float                                double
 *     o O    json_t *; o takes the reference over, also   a copy of it; o? O? and o* O* as with s
 *            when packing fails (but not for GR_EFORMAT)
 *     A      gr_address                                   address
 *     B      const void *, size_t                         byte string
 *     V      gr_value                                     a copy of it
 *     [...] {...}                                         array, object
 *
 *     unpack takes                                        from
 *     s      const char **                                string (borrowed); s%: const char **, size_t *
 *     n      -                                            null
 *     b      bool *, int *                                true or false
 *     i      int *, unsigned *                            int; GR_ERANGE if it does not fit
 *     I      long *, long long * (int64_t *); unsigned    int; GR_ERANGE if it does not fit
 *     f      double *                                     double
 *     F      double *                                     double or int
 *     O      json_t **                                    anything, as a new reference (o has nothing to borrow from: refused)
 *     A      gr_address *                                 address
 *     B      const void **, size_t *                      byte string (borrowed)
 *     V      gr_value *                                   anything (borrowed)
 *     {s:x, s?:x}   the key, then what x takes            object; with ? the key may be absent, its variables stay as they are
 *     [x, x]                                              array, elements from the first on
 *     ! *    -                                            last in a container: nothing else may be (!) or may be (*, the default)
 *
 * Types are checked: these calls are macros that leave, at each call, a static record with the types of the arguments. What
 * does not fit the format is GR_EFORMAT, and the detail names the argument, never memory corruption:
 *     argument 2 (format character 'I' at offset 3) takes int64_t, got int
 * A bare 5 is an int: write gr_pack(&m, "i", 5), or "I" with INT64_C(5). At most 48 arguments behind the format.
 *
 * The first call also compiles the format; later calls at the same place run the plan (formats that are no literal are
 * compared with what the plan was made from). Literals among the arguments are compiled in. Arguments are evaluated once. */
#ifndef GR_PACK_H
#define GR_PACK_H

#include <greenroom/error.h>
#include <greenroom/message.h>
#include <greenroom/value.h>

struct json_t; /* jansson's */

/* What an argument can be. The names are how error messages call them. */
#define GR_ARGS(X) \
    X(GR_ARG_OTHER, "something else") \
    X(GR_ARG_BOOL, "bool") \
    X(GR_ARG_INT, "int") \
    X(GR_ARG_UINT, "unsigned") \
    X(GR_ARG_LONG, "int64_t") \
    X(GR_ARG_ULONG, "uint64_t") \
    X(GR_ARG_DOUBLE, "double") \
    X(GR_ARG_TEXT, "char *") \
    X(GR_ARG_LITERAL, "a string literal") \
    X(GR_ARG_POINTER, "void *") \
    X(GR_ARG_JSON, "json_t *") \
    X(GR_ARG_ADDRESS, "gr_address") \
    X(GR_ARG_VALUE, "gr_value") \
    X(GR_ARG_BOOL_OUT, "bool *") \
    X(GR_ARG_INT_OUT, "int *") \
    X(GR_ARG_UINT_OUT, "unsigned *") \
    X(GR_ARG_LONG_OUT, "int64_t *") \
    X(GR_ARG_ULONG_OUT, "uint64_t *") \
    X(GR_ARG_DOUBLE_OUT, "double *") \
    X(GR_ARG_TEXT_OUT, "const char **") \
    X(GR_ARG_POINTER_OUT, "const void **") \
    X(GR_ARG_JSON_OUT, "json_t **") \
    X(GR_ARG_ADDRESS_OUT, "gr_address *") \
    X(GR_ARG_VALUE_OUT, "gr_value *")
#define GR_ARG_ENUMERATOR(name, text) name,
typedef enum gr_arg { GR_ARGS(GR_ARG_ENUMERATOR) GR_ARG_KINDS } gr_arg;
#undef GR_ARG_ENUMERATOR

/* The record of one place in a program that uses a format. The fields are the library's own. */
typedef struct gr_site {
    const unsigned char *types; /* gr_arg of each argument behind the format */
    unsigned short count;
    unsigned char literal; /* the format is a literal: its address says which it is */
    void *plan;            /* atomic; published once, kept for good */
} gr_site;

GR_BEGIN_DECLS

/* A new message; the detail says what was wrong.
 *     int gr_pack(gr_message **ret_message, const char *format, ...)
 *     int gr_pack_detailed(gr_message **ret_message, gr_detail *ret_detail, const char *format, ...)
 * GR_EFORMAT; GR_EINVAL: what builders refuse (build.h), and NULL for a plain s or o; GR_ERANGE; GR_EDEPTH; GR_ETOOBIG;
 * GR_ENOMEM; GR_EFULL. */
#define gr_pack(ret_message, ...) gr_pack_site((ret_message), NULL, GR_SITE(__VA_ARGS__), __VA_ARGS__)
#define gr_pack_detailed(ret_message, ret_detail, ...) \
    gr_pack_site((ret_message), (ret_detail), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_ANY_THREAD GR_MUST_CHECK int gr_pack_site(gr_message **ret_message, gr_detail *ret_detail, gr_site *site,
                                             const char *format, ...);

/* A value in storage of your own, which must stay while the value is used. GR_ETOOBIG: it does not fit.
 *     int gr_pack_into(void *storage, size_t bytes, gr_value *ret_value, const char *format, ...) */
#define gr_pack_into(storage, bytes, ret_value, ...) \
    gr_pack_into_site((storage), (bytes), (ret_value), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_ANY_THREAD GR_MUST_CHECK int gr_pack_into_site(void *storage, size_t bytes, gr_value *ret_value, gr_site *site,
                                                  const char *format, ...);

/* Reads a value into variables: all of them, or none if anything does not fit. What is borrowed lives as long as the value.
 *     int gr_unpack(gr_value value, gr_detail *ret_detail, const char *format, ...)
 * ret_detail may be NULL. GR_EFORMAT; GR_ETYPE: a value has another type; GR_ENOTFOUND: a key or element is not there;
 * GR_EEXISTS: there is more than a ! allows; GR_ERANGE; GR_ENOMEM (O only). */
#define gr_unpack(value, ret_detail, ...) gr_unpack_site((value), (ret_detail), GR_SITE(__VA_ARGS__), __VA_ARGS__)
GR_ANY_THREAD GR_MUST_CHECK int gr_unpack_site(gr_value value, gr_detail *ret_detail, gr_site *site, const char *format,
                                               ...);

GR_END_DECLS

/* Functions that end in _site are what these macros call. Other languages, and code that must do without macros, may call
 * them with a NULL site: then nothing is checked or cached, and the arguments must be exactly what the format takes. */

/* GR_SITE(format, ...): the gr_site of this place. */
#define GR_SITE(...) GR_SITE_NAMED(__COUNTER__, __VA_ARGS__)
#define GR_SITE_NAMED(number, ...) GR_SITE_MADE(GR_PASTE(gr_types_, number), GR_PASTE(gr_site_, number), __VA_ARGS__)
#define GR_SITE_MADE(types_, site_, ...) \
    __extension__({ \
        static const unsigned char types_[] = {GR_PASTE(GR_TYPES_, GR_COUNT(__VA_ARGS__))(__VA_ARGS__) GR_ARG_OTHER}; \
        static gr_site site_ = {types_, sizeof types_ - 1, \
                                (unsigned char)(__builtin_constant_p(GR_FIRST(__VA_ARGS__, 0)) ? 1 : 0), NULL}; \
        &site_; \
    })
#define GR_PASTE(a, b) GR_PASTE_NOW(a, b)
#define GR_PASTE_NOW(a, b) a##b
#define GR_FIRST(first, ...) first

#ifdef __cplusplus
#include <cstddef>
#include <type_traits>

template <class T, class = void> struct gr_arg_kind : std::integral_constant<gr_arg, GR_ARG_OTHER> {
};
template <class T>
struct gr_arg_kind<T, std::enable_if_t<std::is_enum<T>::value>> : gr_arg_kind<std::underlying_type_t<T>> {
};
#define GR_ARG_IS(type, kind) \
    template <> struct gr_arg_kind<type, void> : std::integral_constant<gr_arg, kind> { \
    }
GR_ARG_IS(bool, GR_ARG_BOOL);
GR_ARG_IS(char, GR_ARG_INT);
GR_ARG_IS(signed char, GR_ARG_INT);
GR_ARG_IS(unsigned char, GR_ARG_INT);
GR_ARG_IS(short, GR_ARG_INT);
GR_ARG_IS(unsigned short, GR_ARG_INT);
GR_ARG_IS(int, GR_ARG_INT);
GR_ARG_IS(unsigned, GR_ARG_UINT);
GR_ARG_IS(long, GR_ARG_LONG);
GR_ARG_IS(long long, GR_ARG_LONG);
GR_ARG_IS(unsigned long, GR_ARG_ULONG);
GR_ARG_IS(unsigned long long, GR_ARG_ULONG);
GR_ARG_IS(float, GR_ARG_DOUBLE);
GR_ARG_IS(double, GR_ARG_DOUBLE);
GR_ARG_IS(char *, GR_ARG_TEXT);
GR_ARG_IS(const char *, GR_ARG_TEXT);
GR_ARG_IS(signed char *, GR_ARG_TEXT);
GR_ARG_IS(const signed char *, GR_ARG_TEXT);
GR_ARG_IS(unsigned char *, GR_ARG_TEXT);
GR_ARG_IS(const unsigned char *, GR_ARG_TEXT);
GR_ARG_IS(void *, GR_ARG_POINTER);
GR_ARG_IS(const void *, GR_ARG_POINTER);
GR_ARG_IS(std::nullptr_t, GR_ARG_POINTER);
GR_ARG_IS(struct json_t *, GR_ARG_JSON);
GR_ARG_IS(const struct json_t *, GR_ARG_JSON);
GR_ARG_IS(gr_address, GR_ARG_ADDRESS);
GR_ARG_IS(gr_value, GR_ARG_VALUE);
GR_ARG_IS(bool *, GR_ARG_BOOL_OUT);
GR_ARG_IS(int *, GR_ARG_INT_OUT);
GR_ARG_IS(unsigned *, GR_ARG_UINT_OUT);
GR_ARG_IS(long *, GR_ARG_LONG_OUT);
GR_ARG_IS(long long *, GR_ARG_LONG_OUT);
GR_ARG_IS(unsigned long *, GR_ARG_ULONG_OUT);
GR_ARG_IS(unsigned long long *, GR_ARG_ULONG_OUT);
GR_ARG_IS(double *, GR_ARG_DOUBLE_OUT);
GR_ARG_IS(char **, GR_ARG_TEXT_OUT);
GR_ARG_IS(const char **, GR_ARG_TEXT_OUT);
GR_ARG_IS(unsigned char **, GR_ARG_POINTER_OUT);
GR_ARG_IS(const unsigned char **, GR_ARG_POINTER_OUT);
GR_ARG_IS(void **, GR_ARG_POINTER_OUT);
GR_ARG_IS(const void **, GR_ARG_POINTER_OUT);
GR_ARG_IS(struct json_t **, GR_ARG_JSON_OUT);
GR_ARG_IS(gr_address *, GR_ARG_ADDRESS_OUT);
GR_ARG_IS(gr_value *, GR_ARG_VALUE_OUT);
#undef GR_ARG_IS
/* Never defined: only its type is looked at. */
template <class T> gr_arg_kind<std::decay_t<const T>> gr_arg_probe(const T &argument);
#define GR_ARG_OF(x) \
    static_cast<unsigned char>(decltype(gr_arg_probe(x))::value == GR_ARG_TEXT && __builtin_constant_p(x) \
                                   ? GR_ARG_LITERAL \
                                   : decltype(gr_arg_probe(x))::value)
#else
#define GR_ARG_OF(x) \
    _Generic((x), \
        _Bool: GR_ARG_BOOL, \
        char: GR_ARG_INT, signed char: GR_ARG_INT, unsigned char: GR_ARG_INT, \
        short: GR_ARG_INT, unsigned short: GR_ARG_INT, int: GR_ARG_INT, \
        unsigned: GR_ARG_UINT, \
        long: GR_ARG_LONG, long long: GR_ARG_LONG, \
        unsigned long: GR_ARG_ULONG, unsigned long long: GR_ARG_ULONG, \
        float: GR_ARG_DOUBLE, double: GR_ARG_DOUBLE, \
        char *: __builtin_constant_p(x) ? GR_ARG_LITERAL : GR_ARG_TEXT, \
        const char *: __builtin_constant_p(x) ? GR_ARG_LITERAL : GR_ARG_TEXT, \
        signed char *: GR_ARG_TEXT, const signed char *: GR_ARG_TEXT, \
        unsigned char *: GR_ARG_TEXT, const unsigned char *: GR_ARG_TEXT, \
        void *: GR_ARG_POINTER, const void *: GR_ARG_POINTER, \
        struct json_t *: GR_ARG_JSON, const struct json_t *: GR_ARG_JSON, \
        gr_address: GR_ARG_ADDRESS, gr_value: GR_ARG_VALUE, \
        _Bool *: GR_ARG_BOOL_OUT, int *: GR_ARG_INT_OUT, unsigned *: GR_ARG_UINT_OUT, \
        long *: GR_ARG_LONG_OUT, long long *: GR_ARG_LONG_OUT, \
        unsigned long *: GR_ARG_ULONG_OUT, unsigned long long *: GR_ARG_ULONG_OUT, \
        double *: GR_ARG_DOUBLE_OUT, \
        char **: GR_ARG_TEXT_OUT, const char **: GR_ARG_TEXT_OUT, \
        unsigned char **: GR_ARG_POINTER_OUT, const unsigned char **: GR_ARG_POINTER_OUT, \
        void **: GR_ARG_POINTER_OUT, const void **: GR_ARG_POINTER_OUT, \
        struct json_t **: GR_ARG_JSON_OUT, \
        gr_address *: GR_ARG_ADDRESS_OUT, gr_value *: GR_ARG_VALUE_OUT, \
        default: GR_ARG_OTHER)
#endif

/* GR_COUNT(...): how many arguments, 1 to 49. GR_TYPES_<count>(format, ...): GR_ARG_OF of each but the format. */
#define GR_COUNT(...) \
    GR_COUNT_OF(__VA_ARGS__, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, \
                27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define GR_COUNT_OF(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, \
                    a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38, a39, a40, \
                    a41, a42, a43, a44, a45, a46, a47, a48, a49, count, ...) \
    count

#define GR_TYPES_1(f)
#define GR_TYPES_2(f, a) GR_ARG_OF(a),
#define GR_TYPES_3(f, a, ...) GR_ARG_OF(a), GR_TYPES_2(f, __VA_ARGS__)
#define GR_TYPES_4(f, a, ...) GR_ARG_OF(a), GR_TYPES_3(f, __VA_ARGS__)
#define GR_TYPES_5(f, a, ...) GR_ARG_OF(a), GR_TYPES_4(f, __VA_ARGS__)
#define GR_TYPES_6(f, a, ...) GR_ARG_OF(a), GR_TYPES_5(f, __VA_ARGS__)
#define GR_TYPES_7(f, a, ...) GR_ARG_OF(a), GR_TYPES_6(f, __VA_ARGS__)
#define GR_TYPES_8(f, a, ...) GR_ARG_OF(a), GR_TYPES_7(f, __VA_ARGS__)
#define GR_TYPES_9(f, a, ...) GR_ARG_OF(a), GR_TYPES_8(f, __VA_ARGS__)
#define GR_TYPES_10(f, a, ...) GR_ARG_OF(a), GR_TYPES_9(f, __VA_ARGS__)
#define GR_TYPES_11(f, a, ...) GR_ARG_OF(a), GR_TYPES_10(f, __VA_ARGS__)
#define GR_TYPES_12(f, a, ...) GR_ARG_OF(a), GR_TYPES_11(f, __VA_ARGS__)
#define GR_TYPES_13(f, a, ...) GR_ARG_OF(a), GR_TYPES_12(f, __VA_ARGS__)
#define GR_TYPES_14(f, a, ...) GR_ARG_OF(a), GR_TYPES_13(f, __VA_ARGS__)
#define GR_TYPES_15(f, a, ...) GR_ARG_OF(a), GR_TYPES_14(f, __VA_ARGS__)
#define GR_TYPES_16(f, a, ...) GR_ARG_OF(a), GR_TYPES_15(f, __VA_ARGS__)
#define GR_TYPES_17(f, a, ...) GR_ARG_OF(a), GR_TYPES_16(f, __VA_ARGS__)
#define GR_TYPES_18(f, a, ...) GR_ARG_OF(a), GR_TYPES_17(f, __VA_ARGS__)
#define GR_TYPES_19(f, a, ...) GR_ARG_OF(a), GR_TYPES_18(f, __VA_ARGS__)
#define GR_TYPES_20(f, a, ...) GR_ARG_OF(a), GR_TYPES_19(f, __VA_ARGS__)
#define GR_TYPES_21(f, a, ...) GR_ARG_OF(a), GR_TYPES_20(f, __VA_ARGS__)
#define GR_TYPES_22(f, a, ...) GR_ARG_OF(a), GR_TYPES_21(f, __VA_ARGS__)
#define GR_TYPES_23(f, a, ...) GR_ARG_OF(a), GR_TYPES_22(f, __VA_ARGS__)
#define GR_TYPES_24(f, a, ...) GR_ARG_OF(a), GR_TYPES_23(f, __VA_ARGS__)
#define GR_TYPES_25(f, a, ...) GR_ARG_OF(a), GR_TYPES_24(f, __VA_ARGS__)
#define GR_TYPES_26(f, a, ...) GR_ARG_OF(a), GR_TYPES_25(f, __VA_ARGS__)
#define GR_TYPES_27(f, a, ...) GR_ARG_OF(a), GR_TYPES_26(f, __VA_ARGS__)
#define GR_TYPES_28(f, a, ...) GR_ARG_OF(a), GR_TYPES_27(f, __VA_ARGS__)
#define GR_TYPES_29(f, a, ...) GR_ARG_OF(a), GR_TYPES_28(f, __VA_ARGS__)
#define GR_TYPES_30(f, a, ...) GR_ARG_OF(a), GR_TYPES_29(f, __VA_ARGS__)
#define GR_TYPES_31(f, a, ...) GR_ARG_OF(a), GR_TYPES_30(f, __VA_ARGS__)
#define GR_TYPES_32(f, a, ...) GR_ARG_OF(a), GR_TYPES_31(f, __VA_ARGS__)
#define GR_TYPES_33(f, a, ...) GR_ARG_OF(a), GR_TYPES_32(f, __VA_ARGS__)
#define GR_TYPES_34(f, a, ...) GR_ARG_OF(a), GR_TYPES_33(f, __VA_ARGS__)
#define GR_TYPES_35(f, a, ...) GR_ARG_OF(a), GR_TYPES_34(f, __VA_ARGS__)
#define GR_TYPES_36(f, a, ...) GR_ARG_OF(a), GR_TYPES_35(f, __VA_ARGS__)
#define GR_TYPES_37(f, a, ...) GR_ARG_OF(a), GR_TYPES_36(f, __VA_ARGS__)
#define GR_TYPES_38(f, a, ...) GR_ARG_OF(a), GR_TYPES_37(f, __VA_ARGS__)
#define GR_TYPES_39(f, a, ...) GR_ARG_OF(a), GR_TYPES_38(f, __VA_ARGS__)
#define GR_TYPES_40(f, a, ...) GR_ARG_OF(a), GR_TYPES_39(f, __VA_ARGS__)
#define GR_TYPES_41(f, a, ...) GR_ARG_OF(a), GR_TYPES_40(f, __VA_ARGS__)
#define GR_TYPES_42(f, a, ...) GR_ARG_OF(a), GR_TYPES_41(f, __VA_ARGS__)
#define GR_TYPES_43(f, a, ...) GR_ARG_OF(a), GR_TYPES_42(f, __VA_ARGS__)
#define GR_TYPES_44(f, a, ...) GR_ARG_OF(a), GR_TYPES_43(f, __VA_ARGS__)
#define GR_TYPES_45(f, a, ...) GR_ARG_OF(a), GR_TYPES_44(f, __VA_ARGS__)
#define GR_TYPES_46(f, a, ...) GR_ARG_OF(a), GR_TYPES_45(f, __VA_ARGS__)
#define GR_TYPES_47(f, a, ...) GR_ARG_OF(a), GR_TYPES_46(f, __VA_ARGS__)
#define GR_TYPES_48(f, a, ...) GR_ARG_OF(a), GR_TYPES_47(f, __VA_ARGS__)
#define GR_TYPES_49(f, a, ...) GR_ARG_OF(a), GR_TYPES_48(f, __VA_ARGS__)

#endif
