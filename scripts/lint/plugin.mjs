/**
 * The rules of ours that oxlint does not bring. `noUncheckedIndexedAccess` makes every read of a typed
 * array `number | undefined`, and in a kernel's loop a check would cost time, so `values[i]!` is allowed. Any
 * other `!` hides a case that was not thought through.
 */
import { oneDoorForBytes } from './one-door-for-bytes.mjs';

const nonNullOnlyOnIndexReads = {
  create(context) {
    return {
      TSNonNullExpression(node) {
        const inner = node.expression;
        if (inner.type === 'MemberExpression' && inner.computed) return;
        context.report({
          node,
          message:
            'The `!` is for index reads (`values[i]!`) only. Check for the missing case, or assert() it.',
        });
      },
    };
  },
};

export default {
  meta: { name: 'house' },
  rules: {
    'non-null-only-on-index-reads': nonNullOnlyOnIndexReads,
    'one-door-for-bytes': oneDoorForBytes,
  },
};
