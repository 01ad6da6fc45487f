/** The kinds of packed matrices by number; the numbers are those of PACKS in ../layout.ts. What a kind is: packs.ts. */
export const Q4_1: i32 = 1;
export const Q8_0: i32 = 2;
export const Q4_0: i32 = 3;
export const Q5_0: i32 = 4;
export const Q5_1: i32 = 5;
export const Q4_K: i32 = 6;
export const Q5_K: i32 = 7;
export const Q6_K: i32 = 8;
export const Q3_K: i32 = 9;
export const Q2_K: i32 = 10;
export const F16: i32 = 11;
export const BF16: i32 = 12;
export const F32: i32 = 13;
