// M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, with the deviations that
// NLTK's default mode documents. A word is a string of letters and digits; digits count as
// consonants.
#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "sylvester/eval/rouge.h"

namespace sylvester {
namespace {

using std::string;
using std::string_view;

bool is_vowel_letter(char c) { return string_view("aeiou").find(c) != string_view::npos; }

// flags[i]: letter i is a consonant. 'y' is one at the start and after a vowel.
std::vector<bool> consonants(string_view word) {
  std::vector<bool> flags(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    flags[i] = word[i] == 'y' ? i == 0 || !flags[i - 1] : !is_vowel_letter(word[i]);
  }
  return flags;
}

// m of [C](VC)^m[V]: how often a consonant follows a vowel.
int measure(string_view stem) {
  const std::vector<bool> c = consonants(stem);
  int m = 0;
  for (std::size_t i = 1; i < c.size(); ++i) m += !c[i - 1] && c[i] ? 1 : 0;
  return m;
}

bool has_vowel(string_view stem) {
  const std::vector<bool> c = consonants(stem);
  return std::find(c.begin(), c.end(), false) != c.end();
}

// *o: ends consonant-vowel-consonant, the last not w, x, y; or (NLTK) is vowel-consonant.
bool ends_cvc(string_view stem) {
  const std::vector<bool> c = consonants(stem);
  const std::size_t n = c.size();
  if (n == 2) return !c[0] && c[1];
  return n >= 3 && c[n - 3] && !c[n - 2] && c[n - 1] &&
         string_view("wxy").find(stem[n - 1]) == string_view::npos;
}

bool ends_double_consonant(string_view word) {
  const std::size_t n = word.size();
  return n >= 2 && word[n - 1] == word[n - 2] && consonants(word)[n - 1];
}

struct Rule {
  string_view suffix;
  string_view replacement;
};

// The first rule whose suffix fits decides: it is applied when the stem's measure exceeds
// `above`, and no later rule is tried either way.
string apply(string word, std::span<const Rule> rules, int above) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.suffix)) continue;
    const string stem = word.substr(0, word.size() - rule.suffix.size());
    return measure(stem) > above ? stem + string(rule.replacement) : word;
  }
  return word;
}

string step_1a(string word) {
  if (word.ends_with("ies")) {
    word.resize(word.size() - (word.size() == 4 ? 1 : 2));  // dies -> die, flies -> fli
  } else if (word.ends_with("sses")) {
    word.resize(word.size() - 2);
  } else if (word.ends_with("s") && !word.ends_with("ss")) {
    word.pop_back();
  }
  return word;
}

// After -ed or -ing went: conflat -> conflate, hopp -> hop, fil -> file.
string repair(string stem) {
  for (const string_view end : {"at", "bl", "iz"}) {
    if (stem.ends_with(end)) return stem + "e";
  }
  if (ends_double_consonant(stem)) {
    if (string_view("lsz").find(stem.back()) == string_view::npos) stem.pop_back();
    return stem;
  }
  return measure(stem) == 1 && ends_cvc(stem) ? stem + "e" : stem;
}

string step_1b(string word) {
  if (word.ends_with("ied")) {
    word.resize(word.size() - (word.size() == 4 ? 1 : 2));
    return word;
  }
  if (word.ends_with("eed")) {
    if (measure(word.substr(0, word.size() - 3)) > 0) word.pop_back();
    return word;
  }
  for (const string_view suffix : {"ed", "ing"}) {
    if (!word.ends_with(suffix)) continue;
    const string stem = word.substr(0, word.size() - suffix.size());
    if (has_vowel(stem)) return repair(stem);
  }
  return word;
}

// NLTK: y -> i after a consonant that is not the whole stem.
string step_1c(string word) {
  const std::size_t n = word.size();
  if (n > 2 && word.back() == 'y' && consonants(word)[n - 2]) word.back() = 'i';
  return word;
}

string step_2(string word) {
  static constexpr Rule kRules[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},
                                    {"anci", "ance"},   {"izer", "ize"},    {"bli", "ble"},
                                    {"alli", "al"},     {"entli", "ent"},   {"eli", "e"},
                                    {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                                    {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"},
                                    {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},
                                    {"iviti", "ive"},   {"biliti", "ble"},  {"fulli", "ful"}};
  // NLTK: -alli first, and the result goes through the step again.
  while (word.ends_with("alli") && measure(word.substr(0, word.size() - 4)) > 0) {
    word.resize(word.size() - 2);
  }
  if (word.ends_with("logi")) {  // the l counts with the stem: geologi, theologi
    if (measure(word.substr(0, word.size() - 3)) > 0) word.pop_back();
    return word;
  }
  return apply(std::move(word), kRules, 0);
}

string step_3(string word) {
  static constexpr Rule kRules[] = {{"icate", "ic"}, {"ative", ""},  {"alize", "al"},
                                    {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""},
                                    {"ness", ""}};
  return apply(std::move(word), kRules, 0);
}

string step_4(string word) {
  static constexpr Rule kBeforeIon[] = {{"al", ""},    {"ance", ""}, {"ence", ""}, {"er", ""},
                                        {"ic", ""},    {"able", ""}, {"ible", ""}, {"ant", ""},
                                        {"ement", ""}, {"ment", ""}, {"ent", ""}};
  static constexpr Rule kAfterIon[] = {{"ou", ""},  {"ism", ""}, {"ate", ""}, {"iti", ""},
                                       {"ous", ""}, {"ive", ""}, {"ize", ""}};
  if (word.ends_with("ion")) {  // no other suffix of the step ends so
    const string stem = word.substr(0, word.size() - 3);
    return measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't') ? stem : word;
  }
  for (const Rule& rule : kBeforeIon) {
    if (word.ends_with(rule.suffix)) return apply(std::move(word), kBeforeIon, 1);
  }
  return apply(std::move(word), kAfterIon, 1);
}

string step_5(string word) {
  if (word.ends_with("e")) {
    const string stem = word.substr(0, word.size() - 1);
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_cvc(stem))) word = stem;
  }
  if (word.ends_with("ll") && measure(word.substr(0, word.size() - 1)) > 1) word.pop_back();
  return word;
}

struct Irregular {
  string_view word, stem;
};
constexpr Irregular kIrregular[] = {
    {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
    {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
    {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
    {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"}};

}  // namespace

std::string porter_stem(std::string_view word) {
  for (const Irregular& i : kIrregular) {
    if (word == i.word) return string(i.stem);
  }
  if (word.size() <= 2) return string(word);
  return step_5(step_4(step_3(step_2(step_1c(step_1b(step_1a(string(word))))))));
}

}  // namespace sylvester
